import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../../src/cli.ts';
import { capture } from '../../commands/io.ts';
import { isInstalled, type RealBackend, startBackend, testedBackends } from './real-backends.ts';
import { document, type StoredSeries, timedDocument } from './traffic.ts';

/** The commands that read days of data, with a real backend that has two days of it. */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Ten minutes after a whole hour of the past. */
const nowMs = Math.floor(Date.now() / hourMs) * hourMs - 3 * hourMs + 10 * minuteMs;
const beginMs = nowMs - 50 * hourMs;
/** A canary that fails a fifth of its orders. */
const canary = { fromMs: nowMs - 8 * hourMs, toMs: nowMs - 7 * hourMs };

function counter(
  labels: Readonly<Record<string, string>>,
  perMinute: number,
  span = { fromMs: beginMs, toMs: nowMs },
) {
  const samples: [number, number][] = [];
  for (let atMs = span.fromMs; atMs <= span.toMs; atMs += minuteMs)
    samples.push([atMs, Math.floor(((atMs - span.fromMs) / minuteMs) * perMinute)]);
  const metric = {
    __name__: 'http_requests_total',
    job: 'orders',
    method: 'POST',
    route: '/Orders/{id}',
    code: '200',
  };
  return { metric: { ...metric, instance: 'a:8080', version: 'V1', ...labels }, samples };
}

function record(name: string, labels: Readonly<Record<string, string>>, value: number): StoredSeries {
  const samples: [number, number][] = [];
  for (let atMs = beginMs; atMs <= nowMs; atMs += 2 * minuteMs) samples.push([atMs, value]);
  return { metric: { __name__: name, cuj: 'order', sli: 'availability', ...labels }, samples };
}

/** Of each request that counter({}) counts: `share` within the boundary. */
function bucket(le: string, share: number, labels: Readonly<Record<string, string>> = {}): StoredSeries {
  const { metric, samples } = counter(labels, 60 * share);
  const { code: _, ...others } = metric;
  return { metric: { ...others, __name__: 'http_request_duration_seconds_bucket', le }, samples };
}

const stored: StoredSeries[] = [
  ...['a:8080', 'b:8080'].flatMap((instance) => [
    bucket('0.1', 0.5, { instance }),
    bucket('0.30', 0.9, { instance }),
    bucket('1', 1, { instance }),
    bucket('+Inf', 1, { instance }),
  ]),
  counter({}, 60),
  counter({ instance: 'b:8080' }, 60),
  counter({ route: '/Orders/{id}/Items', method: 'GET' }, 30),
  counter({ route: '/healthz', method: 'GET' }, 6),
  counter({ instance: 'c:8080', version: 'V2' }, 16, canary),
  counter({ instance: 'c:8080', version: 'V2', code: '503' }, 4, canary),
  counter({ job: 'cart', route: 'a"b\n- c: #\\', method: 'GET' }, 60),
  counter({ job: 'cart', route: '/carts/{id}', method: 'GET' }, 60),
  record('cuj:slo_objective:ratio', { slo_window: '30d' }, 0.999),
  record('cuj:error_ratio:slo_window', { slo_window: '30d' }, 0.0004),
  record('cuj:error_budget_remaining:ratio', { slo_window: '30d' }, 0.6),
  record('cuj:requests:rate5m', {}, 2.5),
  record('cuj:requests_bad:rate5m', {}, 0.001),
  // Of another registry.
  record('cuj:error_budget_remaining:ratio', { slo_window: '30d', environment: 'eu' }, -5),
];

describe.each(testedBackends)('with a real %s', (program) => {
  const isThere = isInstalled(program);
  const folder = mkdtempSync(join(tmpdir(), 'registry-'));
  let backend: RealBackend;

  beforeAll(async () => {
    if (isThere) backend = await startBackend(program, { series: stored });
  }, 120_000);
  afterAll(async () => {
    await backend?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function cujGate(args: readonly string[], changes: object = {}) {
    const path = join(folder, 'cujs.json');
    const cujs = (document.cujs ?? []).slice(0, 1);
    writeFileSync(path, JSON.stringify({ ...document, cujs, ...changes }));
    const env = {
      CUJ_GATE_BACKEND: 'prometheus',
      CUJ_GATE_PROMETHEUS_URL: backend.url,
      CUJ_GATE_PROMETHEUS_TENANT: backend.tenant,
      CUJ_GATE_REGISTRY: path,
    };
    const { io, stdout, stderr } = capture({ env, now: () => nowMs });
    const code = await run(args, io);
    return { code, stdout: stdout(), stderr: stderr() };
  }

  it.runIf(isThere)('proposes a registry by which its traffic is found', async () => {
    const { code, stdout, stderr } = await cujGate(['init', '--counter', 'http_requests_total']);
    expect(stderr).toMatch(
      /^querying the counters of all services\n2 CUJs proposed from http_requests_total: .*\nversions: V1, V2\n/,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('canary: "version:{version}" # versions: V1, V2');
    expect(stdout).toMatch(/# {3}cart: GET a"b - c: #\\ \(.*cannot be queried/);
    const document = parse(stdout);
    expect(document.cujs.map((cuj: { name: string }) => cuj.name)).toEqual(['orders', 'carts']);
    const asked = await cujGate(['plan', '--weight', '25', '--days', '1', '--json'], document);
    const planned = JSON.parse(asked.stdout).entries;
    expect(planned.map(({ cuj }: { cuj: string }) => cuj)).toEqual(['orders', 'carts']);
    expect(Math.abs(planned[1].requestsPerMinute.median - 60)).toBeLessThan(2);
  });

  it.runIf(isThere)('plans by the traffic of whole days', async () => {
    const { code, stdout, stderr } = await cujGate(['plan', '--weight', '25', '--days', '2', '--json']);
    expect(stderr).toBe('querying the traffic of orders\n');
    expect(code).toBe(0);
    const [entry] = JSON.parse(stdout).entries;
    expect(entry).toMatchObject({ cuj: 'order', service: 'orders' });
    for (const rate of [entry.requestsPerMinute.median, entry.requestsPerMinute.quietest])
      expect(Math.abs(rate - 150)).toBeLessThan(3);
  });

  it.runIf(isThere)('plans latency by the durations of whole days', async () => {
    const { sources, defaults } = timedDocument;
    const of = (method: string, path: string, latencyMs: number) => [
      { ...document.cujs?.[0], endpoints: [{ method, path, latencyMs }] },
    ];
    const plan = async (cujs: object[]) => {
      const { stdout } = await cujGate(['plan', '--days', '2', '--json'], { sources, defaults, cujs });
      return JSON.parse(stdout).entries.find(({ sli }: { sli: string }) => sli === 'latency');
    };
    const known = await plan(of('POST', '/Orders/{id}', 300));
    expect(Math.abs(known.requestsPerMinute.median - 120)).toBeLessThan(3);
    expect(known.value).toBeCloseTo(0.9, 3);
    expect(known.notes).toEqual([expect.stringContaining('below its objective of 95%')]);
    const lost = await plan(of('GET', '/Orders/{id}/Items', 1000));
    expect(lost).toMatchObject({
      value: null,
      notes: [expect.stringMatching(/^Of 100% of its requests it is unknown whether they were bad/)],
    });
  });

  it.runIf(isThere)('sizes the steps of a Rollout', async () => {
    const { code, stdout } = await cujGate(['generate', 'rollout', '--measure-traffic', '--days', '1']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/# .*150 requests a minute/);
  });

  it.runIf(isThere)('finds a bad rollout of the past and would have aborted it', async () => {
    const { code, stdout, stderr } = await cujGate(['backtest', '--days', '1', '--bad', 'V2', '--json']);
    expect(stderr).not.toContain('cuj-gate backtest:');
    expect(JSON.parse(stdout).rollouts).toMatchObject([{ version: 'V2', outcome: 'abort' }]);
    expect(code).toBe(0);
  });

  it.runIf(isThere)('reports the error budgets that rules have recorded', async () => {
    const { code, stdout } = await cujGate(['report', '--json']);
    expect(code).toBe(0);
    const [cuj] = JSON.parse(stdout).cujs;
    expect(cuj).toMatchObject({
      cuj: 'order',
      state: 'fine',
      slis: [{ sli: 'availability', remaining: 0.6 }],
    });
    expect(cuj.slis[0].recentBurn).toBeCloseTo(0.4);
  });

  it.runIf(isThere)('knows no budget where no rules are loaded', async () => {
    const { stdout } = await cujGate(['report'], { cujs: [{ ...document.cujs?.[0], name: 'other' }] });
    expect(stdout).toContain('load the rules of cuj-gate generate prometheus-slos');
  });

  it.runIf(isThere)('finds in doctor what is there and what is not', async () => {
    const [order] = document.cujs ?? [];
    const { code, stdout, stderr } = await cujGate(['doctor', '--json'], {
      cujs: [
        { ...order, endpoints: ['POST /Orders/{id}', 'GET /orders/{id}/Items'] },
        { name: 'cart', owner: 'team-carts', service: 'order', endpoints: '*' },
      ],
      services: {
        orders: { ...document.services?.orders, canary: 'release:{version}' },
        order: document.services?.orders,
      },
    });
    expect(stderr).toContain('querying the counters of orders\n');
    const report = JSON.parse(stdout);
    const found = (check: string) =>
      report.findings
        .filter((one: { check: string }) => one.check === check)
        .map(({ message }: { message: string }) => message);
    expect(found('endpoint-name')).toEqual([
      expect.stringContaining('nearest with traffic: GET /Orders/{id}/Items'),
    ]);
    expect(found('service-without-series')).toEqual([
      expect.stringContaining('no series of order; job has the value orders'),
    ]);
    expect(found('selector-tag-missing')).toEqual([expect.stringContaining('the label release of')]);
    expect(found('scrape-interval')).toEqual(['http_requests_total has a sample every 60 s']);
    expect(found('status-values')).toEqual([expect.stringContaining('200 (4 series)')]);
    expect(found('slo-window-over-data')).toEqual([expect.stringContaining('samples that are 1 days old')]);
    expect(found('slo-missing')).toEqual(['no error budget is recorded of cart availability']);
    expect(found('routes-in-no-cuj')).toEqual([expect.stringContaining('GET /Orders/{id}/Items')]);
    expect(code).toBe(1);
  });

  it.runIf(isThere)('finds in doctor which part of a source is misspelt', async () => {
    const source = (total: string) => ({ total: `${total}}`, bad: `${total},code=~"5.."}` });
    const service = { ...document.services?.orders, canary: 'versoin:{version}' };
    const { stdout } = await cujGate(['doctor', '--json'], {
      sources: {
        matcher: source('http_requests_total{metod="POST",job="{service}"'),
        label: source('http_requests_total{version="{service}"'),
        name: source('http_request_total{job="{service}"'),
      },
      services: {
        orders: { ...service, source: 'label' },
        cart: { ...service, source: 'matcher' },
        pay: { ...service, source: 'name' },
      },
      cujs: ['orders', 'cart', 'pay'].map((one) => ({
        name: one,
        owner: 'me',
        service: one,
        endpoints: '*',
      })),
    });
    expect(
      JSON.parse(stdout).findings.filter(({ severity }: { severity: string }) => severity === 'error'),
    ).toMatchObject([
      { about: 'service orders', fix: 'orders is a value of job: use job="{service}".' },
      {
        about: 'service cart',
        message: expect.stringContaining('but none with metod="POST"'),
        fix: 'No series has the label metod. Did you mean method?',
      },
      { about: 'service pay', message: 'there is no series http_request_total' },
    ]);
  });

  it.runIf(isThere)('finds in doctor which durations are there', async () => {
    const { sources, defaults } = timedDocument;
    const latency = (latencyMs: number) => [
      {
        ...document.cujs?.[0],
        endpoints: [
          { method: 'POST', path: '/Orders/{id}', latencyMs },
          { method: 'GET', path: '/Orders/{id}/Items', latencyMs: 1000 },
        ],
      },
    ];
    const doctor = async (changes: object) => {
      const { stdout } = await cujGate(['doctor', '--json'], { sources, defaults, ...changes });
      return JSON.parse(stdout).findings.filter(({ check }: { check: string }) =>
        /histogram|threshold|unit/.test(check),
      );
    };
    expect(await doctor({ cujs: latency(300) })).toMatchObject([
      {
        check: 'histogram-counts-differ',
        message: expect.stringMatching(/in the last day: GET \/Orders\/\{id}\/Items \(0 of 43,\d+\)$/),
      },
    ]);
    expect(await doctor({ cujs: latency(250) })).toContainEqual(
      expect.objectContaining({
        check: 'threshold-no-boundary',
        message: expect.stringContaining('the nearest end at 100 ms and 300 ms'),
      }),
    );
    const other = { app: { ...sources?.app, duration: 'http_seconds_bucket{job="{service}"}' } };
    expect(await doctor({ cujs: latency(300), sources: other })).toMatchObject([
      { check: 'histogram-missing' },
    ]);
  });

  it.runIf(isThere)('names a label that failures are told by and that is not there', async () => {
    const { stdout } = await cujGate(['doctor', '--json'], {
      sources: {
        app: {
          total: 'http_requests_total{job="{service}"}',
          bad: 'http_requests_total{job="{service}",status=~"5.."}',
          groupBy: 'method/path',
        },
      },
    });
    const checks = JSON.parse(stdout).findings.map(
      ({ check, severity }: Record<string, string>) => `${check} ${severity}`,
    );
    expect(checks).toContain('status-label-missing error');
    expect(checks).toContain('group-label-missing error');
  });
});

it('says in doctor that the address is wrong', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'registry-'));
  try {
    const path = join(folder, 'cujs.json');
    writeFileSync(path, JSON.stringify(document));
    const env = {
      CUJ_GATE_BACKEND: 'prometheus',
      CUJ_GATE_PROMETHEUS_URL: 'http://127.0.0.1:1',
      CUJ_GATE_REGISTRY: path,
    };
    const { io, stdout } = capture({ env, now: () => nowMs });
    expect(await run(['doctor'], io)).toBe(1);
    expect(stdout()).toMatch(/backend-unavailable[\s\S]*could not be reached/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);
