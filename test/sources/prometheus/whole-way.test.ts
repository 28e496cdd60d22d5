import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { compose, type Gate, openEvaluator } from '../../../src/server/compose.ts';
import { readSettings, requiredToServe } from '../../../src/settings/settings.ts';
import { capture } from '../../commands/io.ts';
import { Loopback, respond } from '../datadog/loopback.ts';
import { document, intervalMs, matrixOf, type StoredSeries } from './traffic.ts';

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 0, 31, 9, 0, 17);
const loopback = new Loopback();
const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
let gate: Gate | undefined;

beforeAll(() => loopback.listen());
afterEach(async () => {
  await gate?.close();
  gate = undefined;
});
afterAll(async () => {
  await loopback.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Facts {
  /** Of 200 requests of the canary a minute on the first route. */
  readonly badPerMinute?: number;
  /** How long ago the canary's last sample is. */
  readonly canaryEndedMs?: number;
  /** How long ago the canary's first sample is. */
  readonly canaryBornMs?: number;
  /** How long ago the last sample of all is. */
  readonly allEndedMs?: number;
  /** No series has the label that tells failures. */
  readonly withoutCode?: boolean;
  /** The canary's failures are on a pod that is not scraped for so long now; the other pod is sound. */
  readonly busyPodMs?: number;
  /** All series, in place of those that the other facts make. */
  readonly whole?: readonly StoredSeries[];
}

const routes = [
  ['orders', 'POST', '/Orders/{id}'],
  ['orders', 'GET', '/Orders/{id}/Items'],
  ['carts', 'PUT', '/Carts/{Cart}'],
] as const;

function stored(facts: Facts): StoredSeries[] {
  const {
    badPerMinute = 0,
    canaryEndedMs = 0,
    canaryBornMs = 25 * minuteMs,
    allEndedMs = 0,
    withoutCode = false,
    busyPodMs,
  } = facts;
  const bornMs = nowMs - canaryBornMs;
  return routes.flatMap(([job, method, route]) =>
    [
      { version: 'V1', instance: `${job}-s:1`, fromMs: nowMs - 180 * minuteMs, endedMs: allEndedMs, bad: 0 },
      {
        version: 'V2',
        instance: `${job}-c:1`,
        fromMs: bornMs,
        endedMs: Math.max(allEndedMs, canaryEndedMs),
        bad: busyPodMs === undefined ? badPerMinute : 0,
      },
      ...(busyPodMs === undefined || job !== 'orders'
        ? []
        : [{ version: 'V2', instance: 'busy:1', fromMs: bornMs, endedMs: busyPodMs, bad: badPerMinute }]),
    ].flatMap(({ version, instance, fromMs, endedMs, bad }) => {
      const isBroken = route === '/Orders/{id}' && bad > 0;
      return [['200', isBroken ? 200 - bad : 200], ...(isBroken ? [['500', bad]] : [])].map(
        ([code, perMinute]) => ({
          metric: {
            __name__: 'http_requests_total',
            job,
            instance,
            version,
            method,
            route,
            ...(withoutCode ? { outcome: String(code) } : { code: String(code) }),
          },
          samples: samplesOf(fromMs, nowMs - endedMs, Number(perMinute)),
        }),
      );
    }),
  );
}

function samplesOf(fromMs: number, untilMs: number, perMinute: number): [number, number][] {
  const samples: [number, number][] = [];
  for (let atMs = Math.ceil(fromMs / intervalMs) * intervalMs; atMs <= untilMs; atMs += intervalMs)
    samples.push([atMs, Math.floor(((atMs - fromMs) / minuteMs) * perMinute)]);
  return samples;
}

function answerBy(facts: Facts): void {
  const series = facts.whole ?? stored(facts);
  loopback.reply((response, request) => {
    const form = new URLSearchParams(request.body);
    const query = form.get('query') ?? '';
    const atMs = Number(form.get('time')) * 1000;
    const seconds = Number(/\[(\d+)s\]$/.exec(query)?.[1]);
    const ofJob = series.filter(({ metric }) => query.includes(`="${metric.job}"`));
    const up = { metric: { __name__: 'up', job: 'orders', instance: 'busy:1' }, value: [atMs / 1000, '0'] };
    const body = query.startsWith('up{')
      ? {
          status: 'success',
          data: { resultType: 'vector', result: facts.busyPodMs === undefined ? [] : [up] },
        }
      : matrixOf(ofJob, atMs - seconds * 1000, atMs);
    respond(200, body, { date: new Date(nowMs).toUTCString() })(response, request);
  });
}

function envOf(of: RegistryDocument = document): Record<string, string> {
  const path = join(folder, 'cujs.json');
  writeFileSync(path, JSON.stringify(of));
  return { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: loopback.url, CUJ_GATE_REGISTRY: path };
}

async function asked(facts: Facts, url = '/cujs/order/status?version=V2', of: RegistryDocument = document) {
  answerBy(facts);
  const settings = readSettings(envOf(of), { required: requiredToServe });
  gate = await compose(settings, { now: () => nowMs, logger: pino({ level: 'silent' }) });
  const answer = (await gate.app.inject({ url })).json();
  await gate.close();
  gate = undefined;
  return answer;
}

describe('a gate that measures with Prometheus', () => {
  it('passes a healthy canary, and says what it asked', async () => {
    expect(await asked({}, '/cujs/order/status?version=V2&explain=true')).toMatchObject({
      verdict: 'pass',
      reason: 'within_slo',
      canary: 'version:V2',
      stable: 'the rest',
      queries: [
        {
          name: 'requests',
          query: expect.stringMatching(/^http_requests_total\{job="orders"\}\[\d+s\]$/),
        },
      ],
    });
  });

  it('fails a broken endpoint by the name that people gave it, and no other CUJ', async () => {
    const verdict = await asked({ badPerMinute: 20 });
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.summary).toContain('worst POST /Orders/{id}');
    expect(await asked({ badPerMinute: 20 }, '/cujs/cart/status?version=V2')).toMatchObject({
      verdict: 'pass',
    });
  });

  it('judges each endpoint by what the registry says that fails, and names it', async () => {
    const judged = (failure: (string | number)[]) => {
      const [order] = document.cujs ?? [];
      const endpoints = [{ method: 'POST', path: '/Orders/{id}', failure }, 'GET /Orders/{id}/Items'];
      const cujs = [{ ...order, endpoints }] as NonNullable<RegistryDocument['cujs']>;
      return asked({ badPerMinute: 20 }, undefined, { ...document, cujs });
    };
    const failed = await judged([500, 401]);
    expect(failed).toMatchObject({
      verdict: 'fail',
      slis: [{ failure: 'bad of the source app; 401, 500' }],
    });
    expect(failed.summary).toContain('worst POST /Orders/{id}');
    expect(await judged([401])).toMatchObject({ verdict: 'pass' });
  });

  it('passes nothing where a label has classes of the statuses that fail, on both sides', async () => {
    const [order] = document.cujs ?? [];
    const endpoints = ['POST /Orders/{id}'];
    const of = (failure: (string | number)[]) =>
      ({ ...document, cujs: [{ ...order, endpoints, failure }] }) as RegistryDocument;
    const metric = { __name__: 'http_requests_total', job: 'orders', method: 'POST', route: '/Orders/{id}' };
    const whole = ['V1', 'V2'].flatMap((version) =>
      ['2xx', '4xx'].map((code, i) => ({
        metric: { ...metric, version, code, instance: `${version}:1` },
        samples: samplesOf(nowMs - 60 * minuteMs, nowMs, [140, 60][i] as number),
      })),
    );
    expect(await asked({ whole }, undefined, of(['5xx', 401]))).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
    });
    expect(await asked({ whole }, undefined, of(['5xx']))).toMatchObject({ verdict: 'pass' });
  });

  it('shows the queries of a CUJ', async () => {
    expect(await asked({}, '/cujs/order')).toMatchObject({
      queries: [{ name: 'requests', query: 'http_requests_total{job="orders"}' }],
    });
  });

  it('has no data for the same version in another letter case', async () => {
    expect(await asked({}, '/cujs/order/status?version=v2')).toMatchObject({
      verdict: 'inconclusive',
      reason: 'no_data',
    });
  });

  it.each([2, 5, 9, 12, 16, 20])(
    'never passes a canary that was not scraped for %i minutes',
    async (minutes) => {
      const verdict = await asked({ canaryEndedMs: minutes * minuteMs });
      expect(verdict).toMatchObject({ verdict: 'inconclusive' });
      expect(verdict).toMatchObject({
        reason: 'source_malformed',
        summary: expect.stringContaining('no sample since'),
      });
    },
  );

  it.each([25, 28, 31, 45, 80])(
    'never passes a canary of two hours that was not scraped for %i minutes',
    async (minutes) => {
      const facts = { canaryBornMs: 110 * minuteMs, canaryEndedMs: minutes * minuteMs };
      const long = { ...document, defaults: { ...document.defaults, gate: { maxWindow: '2h' } } };
      const verdict = await asked(facts, undefined, long);
      expect(verdict).toMatchObject({ verdict: 'inconclusive' });
    },
  );

  it.each([2, 5, 12, 20, 30])(
    'never passes while nothing has been scraped for %i minutes',
    async (minutes) => {
      expect(await asked({ allEndedMs: minutes * minuteMs })).toMatchObject({ verdict: 'inconclusive' });
    },
  );

  it('never passes while a pod of the canary cannot be scraped, whatever the others are like', async () => {
    for (const minutes of [3, 20, 40, 60])
      expect(
        await asked({ badPerMinute: 2, canaryBornMs: 80 * minuteMs, busyPodMs: minutes * minuteMs }),
      ).toMatchObject({
        verdict: 'inconclusive',
        reason: 'source_malformed',
        summary: expect.stringContaining('cannot scrape a pod of the canary'),
      });
  });

  it('never passes where the label that tells failures is another one', async () => {
    expect(await asked({ withoutCode: true, badPerMinute: 20 })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
    });
  });

  it.each<[string, Record<string, string>, object]>([
    ['by the status of HTTP', { response_code: '503' }, { verdict: 'fail' }],
    [
      "by gRPC's",
      { response_code: '200', request_protocol: 'grpc', grpc_response_status: '13' },
      { verdict: 'fail' },
    ],
    [
      'by nothing',
      { response_code: '200', request_protocol: 'grpc' },
      { verdict: 'inconclusive', reason: 'status_missing' },
    ],
  ])("never passes failures that Istio's counter tells %s", async (_, failed, expected) => {
    const counter = (labels: Record<string, string>, bornMs: number, perMinute: number): StoredSeries => ({
      metric: {
        __name__: 'istio_requests_total',
        job: 'orders',
        reporter: 'source',
        destination_service_name: 'orders',
        ...labels,
      },
      samples: samplesOf(nowMs - bornMs, nowMs, perMinute),
    });
    const [canary, stable] = [{ version: 'V2' }, { version: 'V1' }];
    const grpc = { response_code: '200', request_protocol: 'grpc', grpc_response_status: '0' };
    const mesh: RegistryDocument = {
      ...document,
      sources: { app: { total: 'preset:istio', bad: 'preset:istio' } },
      cujs: [{ name: 'order', owner: 'team-orders', service: 'orders', endpoints: '*' }],
    };
    const whole = [
      counter({ ...canary, ...grpc }, 25 * minuteMs, 140),
      counter({ ...canary, ...failed }, 25 * minuteMs, 60),
      counter({ ...stable, ...grpc }, 180 * minuteMs, 1000),
    ];
    expect(await asked({ whole }, undefined, mesh)).toMatchObject(expected);
  });

  it('never passes where failures of the canary belong to no endpoint', async () => {
    const unrouted: StoredSeries = {
      metric: { __name__: 'http_requests_total', job: 'orders', instance: 'c:1', version: 'V2', code: '500' },
      samples: samplesOf(nowMs - 25 * minuteMs, nowMs, 60),
    };
    expect(await asked({ whole: [...stored({}), unrouted] })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_malformed',
      summary: expect.stringContaining('of no endpoint'),
    });
    // Those of stable are nobody's fault.
    const ofStable = { ...unrouted, metric: { ...unrouted.metric, version: 'V1' } };
    expect(await asked({ whole: [...stored({}), ofStable] })).toMatchObject({ verdict: 'pass' });
    // The whole service has them.
    const { sources = {} } = document;
    const cujs = [{ name: 'order', owner: 'team-orders', service: 'orders', endpoints: '*' as const }];
    expect(
      await asked({ whole: [...stored({}), unrouted] }, undefined, { ...document, sources, cujs }),
    ).toMatchObject({ verdict: 'fail' });
  });

  it('answers evaluate as well', async () => {
    answerBy({ badPerMinute: 20 });
    const opened = await openEvaluator(envOf(), undefined, () => nowMs);
    if ('problem' in opened) throw new Error(opened.problem);
    const request = { cuj: 'order', params: new Map([['version', 'V2']]) };
    const { verdict } = await opened.evaluator.cuj(request as never, new AbortController().signal);
    expect(verdict).toMatchObject({ verdict: 'fail' });
    await opened.close();
  });
});

describe('cuj-gate validate', () => {
  it('reads sources as Prometheus understands them', async () => {
    const sources = {
      app: { total: 'sum:http.requests{{selector}}.as_count()', bad: 'rate(x[5m])', groupBy: 'method/route' },
    };
    const env = envOf({ ...document, sources });
    const { io, stdout, stderr } = capture({ env });
    expect(await run(['validate', env.CUJ_GATE_REGISTRY as string], io)).toBe(1);
    expect(stdout() + stderr()).toContain('this is not a selector of a counter');
    const sound = capture({ env: envOf() });
    expect(await run(['validate', env.CUJ_GATE_REGISTRY as string], sound.io)).toBe(0);
  });
});
