import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RumIntake } from '../../src/demo/datadog/rum.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { rumMetricsOf } from '../../src/generate/datadog/terraform-clients.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { compose, type Gate, openEvaluator, RegistryRefused } from '../../src/server/compose.ts';
import { readSettings, requiredToServe } from '../../src/settings/settings.ts';
import { MINUTE, simulatorAt, stopAll } from '../demo/datadog/fixture.ts';
import { Loopback, respond } from '../sources/datadog/loopback.ts';
import { intervalMs, matrixOf } from '../sources/prometheus/traffic.ts';

/** A CUJ whose web part is in Datadog and whose ledger is in Prometheus: the whole way, over the simulator and a server of samples. */

const nowMs = Date.UTC(2026, 2, 10, 12, 0, 17);
const canaryFromMs = nowMs - 25 * MINUTE;
const policy = [{ below: '50%', action: 'Reliability work first', gate: 'strict' as const }];
const registry: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 }, gate: { maxWindow: '30m' } },
  sources: {
    counters: {
      backend: 'prometheus',
      total: 'http_requests_total{job="{service}"}',
      bad: 'http_requests_total{job="{service}",code=~"5.."}',
      groupBy: 'method/route',
    },
  },
  services: {
    web: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
    ledger: { env: 'production', source: 'counters', canary: 'Release:{version}' },
  },
  cujs: [
    {
      name: 'pay',
      owner: 'team-pay',
      service: 'web',
      endpoints: ['POST /Orders', { service: 'ledger', method: 'POST', path: '/Entries/{id}' }],
      errorBudgetPolicy: policy,
    },
    { name: 'order', owner: 'team-pay', service: 'web', endpoints: ['POST /Orders'] },
    { name: 'book', owner: 'team-pay', service: 'ledger', endpoints: ['POST /Entries/{id}'] },
  ],
};

const prometheus = new Loopback();
let folder: string;
let gate: Gate | undefined;
beforeAll(() => prometheus.listen());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mixed-'));
});
afterEach(async () => {
  await gate?.close();
  gate = undefined;
  await stopAll();
  await rm(folder, { recursive: true, force: true });
});
afterAll(() => prometheus.close());

interface Facts {
  /** Of 500 requests of the canary a minute. */
  readonly webBad?: number;
  /** Of 200 requests of the canary a minute. */
  readonly ledgerBad?: number;
  /** The failures last for so long, and end so long ago; default: all of the canary's life. */
  readonly faultMs?: number;
  readonly faultEndedMs?: number;
  /** How far the clock of Prometheus is ahead of the gate's. */
  readonly prometheusAheadMs?: number;
  readonly prometheusStatus?: number;
  /** Prometheus answers that it has no series. */
  readonly ledgerSilent?: boolean;
}

function isFaulty({ faultMs, faultEndedMs = 0 }: Facts, atMs: number): boolean {
  const endMs = nowMs - 45_000 - faultEndedMs;
  return faultMs === undefined || (atMs >= endMs - faultMs && atMs < endMs);
}

/** Samples of the ledger: 200 requests a minute of the canary, 1,800 of stable. */
function ledgerSeries(facts: Facts) {
  const { ledgerBad = 0 } = facts;
  const seriesOf = (Release: string, fromMs: number, code: string, perMinute: (atMs: number) => number) => {
    const samples: [number, number][] = [];
    let value = 0;
    let next = Math.ceil(fromMs / intervalMs) * intervalMs;
    for (let atMs = fromMs; atMs <= nowMs; atMs += 1_000) {
      value += perMinute(atMs) / 60;
      if (atMs < next) continue;
      if (value > 0) samples.push([next, Math.floor(value)]);
      next += intervalMs;
    }
    const metric = {
      __name__: 'http_requests_total',
      job: 'ledger',
      instance: `${Release}:1`,
      Release,
      method: 'POST',
      route: '/Entries/{id}',
      code,
    };
    return { metric, samples };
  };
  const bad = (atMs: number) => (isFaulty(facts, atMs) ? ledgerBad : 0);
  return [
    seriesOf('V1', nowMs - 90 * MINUTE, '200', () => 1_800),
    seriesOf('V2', canaryFromMs, '200', (atMs) => 200 - bad(atMs)),
    seriesOf('V2', canaryFromMs, '500', bad),
  ].filter(({ samples }) => samples.length > 0);
}

async function setUp(facts: Facts = {}) {
  const { simulator } = await simulatorAt(nowMs);
  const request = { env: 'production', operation: 'http.request', service: 'web', resource: 'POST /Orders' };
  for (let at = nowMs - (nowMs % 1_000) - 90 * MINUTE; at < nowMs; at += 6_000) {
    const orders = { ...request, at };
    simulator.store.recordRequests({ ...orders, version: 'V1', statusCode: 200, count: 450 });
    if (at < canaryFromMs) continue;
    const bad = isFaulty(facts, at) ? (facts.webBad ?? 0) / 10 : 0;
    simulator.store.recordRequests({ ...orders, version: 'V2', statusCode: 200, count: 50 - bad });
    if (bad > 0) simulator.store.recordRequests({ ...orders, version: 'V2', statusCode: 500, count: bad });
  }
  const series = facts.ledgerSilent === true ? [] : ledgerSeries(facts);
  prometheus.requests.length = 0;
  prometheus.reply((response, received) => {
    const form = new URLSearchParams(received.body);
    const atMs = Number(form.get('time')) * 1000;
    const seconds = Number(/\[(\d+)s\]$/.exec(form.get('query') ?? '')?.[1]);
    const date = new Date(nowMs + (facts.prometheusAheadMs ?? 0)).toUTCString();
    respond(facts.prometheusStatus ?? 200, matrixOf(series, atMs - seconds * 1000, atMs), { date })(
      response,
      received,
    );
  });
  return { simulator, env: await envOf(simulator.url) };
}

async function envOf(datadogUrl: string, of: RegistryDocument = registry): Promise<Record<string, string>> {
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(of));
  return {
    DD_API_KEY: 'a'.repeat(32),
    DD_APP_KEY: 'b'.repeat(40),
    DD_URL: datadogUrl,
    CUJ_GATE_PROMETHEUS_URL: prometheus.url,
    CUJ_GATE_REGISTRY: path,
    CUJ_GATE_CACHE_TTL: '0s',
    CUJ_GATE_DEADLINE: '3s',
  };
}

async function serve(env: Record<string, string>): Promise<Gate> {
  gate = await compose(readSettings(env, { required: requiredToServe }), {
    now: () => nowMs,
    logger: pino({ level: 'silent' }),
  });
  return gate;
}

async function ask(env: Record<string, string>, url = '/cujs/pay/status?version=V2') {
  const running = gate ?? (await serve(env));
  const { body } = await running.app.inject({ url });
  return JSON.parse(body);
}

describe('a CUJ over two backends', () => {
  it('passes where both parts are good, each measured by its own backend', async () => {
    const { env } = await setUp();
    expect(await ask(env, '/cujs/pay/status?version=V2&explain=true')).toMatchObject({
      verdict: 'pass',
      reason: 'within_slo',
      // What each of them stores of the version.
      canary: 'version:v2 | Release:V2',
      queries: expect.arrayContaining([
        { name: 'requests', query: expect.stringMatching(/^http_requests_total\{job="ledger"\}/) },
        expect.objectContaining({ query: expect.stringContaining('trace.http.request.hits') }),
      ]),
    });
  });

  it.each([
    ['Datadog', { webBad: 100 }, 'POST /Orders', 'order', 'book'],
    ['Prometheus', { ledgerBad: 40 }, 'POST /Entries/{id}', 'book', 'order'],
  ])('fails by the part in %s, and no CUJ of the other part alone', async (_, facts, worst, own, other) => {
    const { env } = await setUp(facts);
    const verdict = await ask(env);
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.summary).toContain(`worst ${worst}`);
    expect(await ask(env, `/cujs/${own}/status?version=V2`)).toMatchObject({ verdict: 'fail' });
    expect(await ask(env, `/cujs/${other}/status?version=V2`)).toMatchObject({ verdict: 'pass' });
  });

  it('fails by the part with longer buckets as soon as that part alone would', async () => {
    // Three buckets of 30 s: in minutes it would be two that lie next to each other, and no fail.
    const { env } = await setUp({ ledgerBad: 200, faultMs: 80_000 });
    const alone = await ask(env, '/cujs/book/status?version=V2');
    expect(alone).toMatchObject({ verdict: 'fail' });
    expect(await ask(env)).toMatchObject({ verdict: 'fail' });
  });

  it.each([0, 10_000, 20_000, 35_000, 50_000, 330_000, 700_000])(
    'does not fail by a fault of 15 s in both at once that ended %i ms ago',
    async (faultEndedMs) => {
      // Of 30 s and less nothing fails; Prometheus shows it up to one scrape longer.
      const { env } = await setUp({ webBad: 500, ledgerBad: 200, faultMs: 15_000, faultEndedMs });
      expect((await ask(env)).verdict).not.toBe('fail');
    },
  );

  it('is inconclusive while one backend is down, which it names; the half that answers is no pass', async () => {
    const { env } = await setUp({ prometheusStatus: 503 });
    expect(await ask(env)).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_unavailable',
      summary: expect.stringMatching(/Prometheus answered 503/),
    });
    // What does not need it goes on.
    expect(await ask(env, '/cujs/order/status?version=V2')).toMatchObject({ verdict: 'pass' });
  });

  it('is inconclusive while one backend answers and has counts of neither side: a lost scrape is no pass', async () => {
    const { env } = await setUp({ ledgerSilent: true });
    expect(await ask(env)).toMatchObject({
      verdict: 'inconclusive',
      reason: 'no_data',
      summary: expect.stringContaining('Prometheus counted nothing of canary and stable on ledger'),
    });
    for (const other of ['/cujs/order/status?version=V2', '/cujs/pay/status?version=V2&service=web'])
      expect(await ask(env, other)).toMatchObject({ verdict: 'pass' });
  });

  it('still fails by one backend while the other one has no counts', async () => {
    const { env } = await setUp({ ledgerSilent: true, webBad: 100 });
    expect(await ask(env)).toMatchObject({ verdict: 'fail' });
  });

  it('is inconclusive while Datadog is down and Prometheus answers', async () => {
    const { env } = await setUp();
    const down = { ...env, DD_URL: 'http://127.0.0.1:1' };
    expect(await ask(down)).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_unavailable',
      summary: expect.stringContaining('Datadog could not be reached'),
    });
    expect(await ask(down, '/cujs/book/status?version=V2')).toMatchObject({ verdict: 'pass' });
  });

  it('is not judged where the clock of one backend is another, which it names', async () => {
    const { env } = await setUp({ prometheusAheadMs: 5 * MINUTE });
    const verdict = await ask(env);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'clock_skew' });
    expect(verdict.summary).toMatch(/the clock of this gate is \d+ s behind Prometheus's/);
    expect(verdict.hint).toMatch(/If CUJ_GATE_PROMETHEUS_URL is a proxy.*it is the clock of Prometheus/);
    expect(await ask(env, '/cujs/order/status?version=V2')).toMatchObject({ verdict: 'pass' });
    const { body } = await (gate as Gate).app.inject({ url: '/metrics' });
    expect(body).toMatch(/cuj_gate_source_clock_skew_seconds\{backend="prometheus"\} -(299|300)/);
    expect(body).toMatch(/cuj_gate_source_clock_skew_seconds\{backend="datadog"\} -?0/);
    expect(body).toMatch(
      /cuj_gate_source_request_duration_seconds_count\{backend="prometheus",outcome="ok"\} 2/,
    );
  });

  it('speaks of both where both could be meant', async () => {
    const { env } = await setUp();
    expect(await ask(env, '/cujs/pay/status?version=V9')).toMatchObject({
      verdict: 'inconclusive',
      reason: 'no_data',
      hint: expect.stringContaining('in Datadog and Prometheus'),
    });
    const old = encodeURIComponent(new Date(nowMs - 700 * 86_400_000).toISOString());
    const past = { ...env, CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST: 'true' };
    await gate?.close();
    gate = undefined;
    expect(await ask(past, `/cujs/pay/status?version=V2&at=${old}`)).toMatchObject({
      detail: expect.stringContaining('longer ago than Datadog or Prometheus keeps its metrics'),
    });
  });

  it('has no error budget: an SLO of Datadog counts a part of it', async () => {
    const { env } = await setUp();
    await serve(env);
    await expect
      .poll(async () => (await ask(env)).budgetNote)
      .toContain('it is measured by Datadog and Prometheus, and an SLO of one of them counts a part of it');
  });

  it('shows the queries of both', async () => {
    const { env } = await setUp();
    const { queries } = await ask(env, '/cujs/pay');
    const texts = queries.map(({ query }: { query: string }) => query).join('\n');
    expect(texts).toContain('http_requests_total{job="ledger"}');
    expect(texts).toContain('trace.http.request.hits');
  });
});

describe('a client beside servers that Prometheus measures, in a process of Prometheus', () => {
  const withClient: RegistryDocument = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9, client: 98 }, gate: { maxWindow: '30m' } },
    sources: { counters: { ...registry.sources?.counters, backend: undefined } as never },
    services: {
      ledger: { env: 'production', source: 'counters', canary: 'Release:{version}' },
      'ledger-web': {
        env: 'production',
        application: '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11',
        releasedWith: 'ledger',
        canary: 'version:{version}',
      },
    },
    cujs: [
      {
        name: 'book',
        owner: 'team-pay',
        service: 'ledger',
        endpoints: ['POST /Entries/{id}'],
        client: { service: 'ledger-web', views: ['/book'] },
        errorBudgetPolicy: policy,
      },
    ],
  };

  /** 30 views a minute of the canary, one of `oneFailsOf` with an error, by the metrics that Terraform makes. */
  async function browsed(facts: Facts, oneFailsOf: number) {
    const { simulator, env } = await setUp(facts);
    const own: Record<string, string> = {
      ...env,
      ...(await envOf(simulator.url, withClient)),
      CUJ_GATE_BACKEND: 'prometheus',
    };
    const loaded = await loadRegistry(own.CUJ_GATE_REGISTRY as string, { backend: 'prometheus' });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const rum = new RumIntake(simulator.store);
    for (const metric of rumMetricsOf(loaded.registry)) rum.define(metric);
    const attributes = {
      'application.id': '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11',
      'session.type': 'user',
      env: 'production',
      'view.name': '/book',
    };
    let seen = 0;
    for (let endedAt = nowMs - 90 * MINUTE; endedAt < nowMs; endedAt += 2_000) {
      seen += 1;
      const errors = (of: number) => ({ 'view.error.count': seen % of === 0 ? 1 : 0 });
      rum.send({ type: 'view', endedAt, attributes: { ...attributes, version: 'V1', ...errors(500) } });
      if (endedAt < canaryFromMs) continue;
      rum.send({
        type: 'view',
        endedAt,
        attributes: { ...attributes, version: 'V2', ...errors(oneFailsOf) },
      });
    }
    return own;
  }

  it.each([
    ['passes where both are good', {}, 500, { verdict: 'pass', reason: 'within_slo' }],
    [
      'fails by what browsers see',
      {},
      4,
      { verdict: 'fail', summary: expect.stringContaining('client events failed') },
    ],
    [
      'fails by the servers',
      { ledgerBad: 40 },
      500,
      { verdict: 'fail', summary: expect.stringContaining('requests failed') },
    ],
    ['is no pass while Prometheus is down', { prometheusStatus: 503 }, 500, { verdict: 'inconclusive' }],
    ['is no pass while Prometheus has no counts', { ledgerSilent: true }, 500, { verdict: 'inconclusive' }],
  ])('%s', async (_, facts, oneFailsOf, verdict) => {
    const env = await browsed(facts, oneFailsOf);
    expect(await ask(env, '/cujs/book/status?version=V2&service=ledger')).toMatchObject(verdict);
  });

  it('has error budgets of both, each from the backend that has its SLO', async () => {
    const env = await browsed({}, 500);
    await serve(env);
    // Neither has the SLOs here: each is looked for where it would be.
    await expect
      .poll(async () => (await ask(env, '/cujs/book/status?version=V2')).budgetNote)
      .toMatch(/Prometheus|\[cuj-gate\]/);
  });

  it('does not start without the keys of Datadog, and the message names setting and client', async () => {
    const { DD_API_KEY: _, ...without } = await browsed({}, 500);
    const refused = await serve(without).catch((error: unknown) => error);
    expect((refused as RegistryRefused).result.problems).toMatchObject([
      {
        rule: 'backend-not-usable',
        message: expect.stringMatching(
          /^the client "ledger-web" is measured by datadog, .*DD_API_KEY .*is not set/,
        ),
      },
    ]);
  });
});

describe('a registry that needs a backend without its settings', () => {
  it('does not start, and the message names setting and source', async () => {
    const { env } = await setUp();
    const { CUJ_GATE_PROMETHEUS_URL: _, ...without } = env;
    const refused = await serve(without).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RegistryRefused);
    expect((refused as RegistryRefused).result.problems).toMatchObject([
      {
        rule: 'backend-not-usable',
        message: expect.stringMatching(
          /^the source "counters" is measured by prometheus, .*CUJ_GATE_PROMETHEUS_URL is not set/,
        ),
      },
    ]);
    const opened = await openEvaluator(without, undefined, () => nowMs);
    expect(opened).toMatchObject({
      problem: expect.stringMatching(/"counters" is measured by prometheus.*CUJ_GATE_PROMETHEUS_URL/),
    });
  });

  it('starts where no CUJ is judged by such a source', async () => {
    const { simulator, env } = await setUp();
    const { CUJ_GATE_PROMETHEUS_URL: _, ...without } = env;
    await envOf(simulator.url, { ...registry, cujs: (registry.cujs ?? []).slice(1, 2) });
    expect(await ask(without, '/cujs/order/status?version=V2')).toMatchObject({ verdict: 'pass' });
    expect(prometheus.requests).toEqual([]);
  });

  it('does not replace the one that is used', async () => {
    const { simulator, env } = await setUp();
    const { CUJ_GATE_PROMETHEUS_URL: _, ...without } = env;
    await envOf(simulator.url, { ...registry, cujs: (registry.cujs ?? []).slice(1, 2) });
    const running = await serve(without);
    const before = running.registry.current();
    await envOf(simulator.url);
    await expect
      .poll(() => running.registry.lastFailure()?.problems, { timeout: 10_000 })
      .toMatchObject([{ rule: 'backend-not-usable' }]);
    expect(running.registry.current()).toBe(before);
    expect(await ask(without, '/cujs/order/status?version=V2')).toMatchObject({ verdict: 'pass' });
  });
});
