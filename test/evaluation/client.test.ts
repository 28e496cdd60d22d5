import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { colorsFor } from '../../src/commands/render/colors.ts';
import { verdictText } from '../../src/commands/render/verdict.ts';
import { type RumEvents, RumIntake, type RumMetricDefinition } from '../../src/demo/datadog/rum.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { capture } from '../commands/io.ts';
import { type Loose, registryOf } from '../generate/example.ts';

/**
 * The client side of a journey, the whole way: a registry, the metrics that Terraform makes of it, a Datadog that makes counts of RUM
 * events by them, and verdicts. The events are searched by a parser of the simulator's own.
 */

const minute = 60_000;
const now = Date.UTC(2026, 0, 31, 12, 0, 0);
const application = '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11';
/** The canary has traffic for so long, stable for 50 minutes. */
const canaryMinutes = 20;

const document = (): Loose => parse(readFileSync('test/testdata/client-registry.yaml', 'utf8'));

/** The metrics that Terraform makes of a registry. */
function metricsOf(registry: Registry): RumMetricDefinition[] {
  return terraform(registry, { notify: [] }).flatMap(({ path, text }) =>
    /\/client-[^/]+\.tf\.json$/.test(path)
      ? Object.values<RumMetricDefinition>(JSON.parse(text).resource.datadog_rum_metric)
      : [],
  );
}

interface Sides {
  readonly canary: number;
  readonly stable: number;
}

/** Events of a minute on both sides. */
interface Minute extends Partial<Omit<RumEvents, 'attributes' | 'endedAt'>> {
  readonly name: string;
  readonly each: Sides;
  readonly with?: Readonly<Record<string, string | number>>;
}

interface World {
  /** What users do; by default both sides are good. */
  readonly events?: readonly Minute[];
  readonly document?: Loose;
  /** What was applied; by default all. */
  readonly applied?: (metrics: RumMetricDefinition[]) => RumMetricDefinition[];
}

const good: readonly Minute[] = [
  { name: '/signup', each: { canary: 60, stable: 240 } },
  { name: '/signup/?', each: { canary: 30, stable: 120 } },
  { name: '/', each: { canary: 100, stable: 400 } },
  { type: 'action', name: 'Submit sign-up', each: { canary: 30, stable: 120 } },
];

const broken: Minute = {
  name: '/signup',
  each: { canary: 15, stable: 0 },
  with: { 'view.error.count': 2 },
};

let datadog: Simulator | undefined;
let connection: DatadogConnection | undefined;
afterEach(async () => {
  await connection?.close();
  await datadog?.stop();
  datadog = undefined;
  connection = undefined;
});

async function open({ events = good, document: of = document(), applied = (all) => all }: World) {
  const registry = registryOf(of);
  datadog = await startDatadogSimulator({ now: () => now, apiKey: 'k', applicationKey: 'a' });
  const { store } = datadog;
  const rum = new RumIntake(store);
  for (const metric of applied(metricsOf(registry))) rum.define(metric);
  const servers = [
    ['shop', 'next.request', 'GET /signup', 60],
    ['shop', 'next.request', 'GET /', 60],
    ['member-api', 'http.request', 'POST /api/v1/signup', 60],
  ] as const;
  for (const [version, share, minutes] of [
    ['v2', 1, canaryMinutes],
    ['v1', 4, 50],
  ] as const) {
    for (let ago = 3; ago < 3 + minutes; ago += 1) {
      const at = now - ago * minute + 20_000;
      for (const [service, operation, resource, count] of servers)
        store.recordRequests({
          env: 'production',
          version,
          at,
          count: count * share,
          statusCode: 200,
          service,
          operation,
          resource,
        });
      for (const { name, each, type = 'view', with: more = {}, before = [] } of events) {
        const count = version === 'v2' ? each.canary : each.stable;
        if (count === 0) continue;
        const attributes = {
          'application.id': application,
          'session.type': 'user',
          env: 'production',
          version,
          [`${type}.name`]: name,
          [`${type}.error.count`]: 0,
          [`${type}.loading_time`]: 900_000_000,
          ...(type === 'view' ? { 'view.frustration.count': 0 } : {}),
        };
        rum.send({
          type,
          count,
          endedAt: at,
          attributes: { ...attributes, ...more },
          before: before.map(({ at: earlier, attributes: changed }) => ({
            at: at + earlier,
            attributes: { ...attributes, ...changed },
          })),
        });
      }
    }
  }
  connection = new DatadogConnection({
    apiKey: 'k',
    appKey: 'a',
    url: datadog.url,
    epochNow: () => now,
    deadlineMs: 5_000,
    clock: { sleep: async () => {}, random: () => 0 },
  });
  const source = await createDatadogSource(connection);
  const evaluator = createEvaluator({ registry: () => registry, now: () => now, source });
  const ask = async (
    cuj: string,
    service?: string,
    params: Loose = { version: 'v2', stable_version: 'v1' },
  ) => {
    const request = { cuj, params: new Map(Object.entries<string>(params)) };
    const { verdict } = await evaluator.cuj(
      service === undefined ? request : { ...request, service },
      new AbortController().signal,
    );
    return verdict;
  };
  return { registry, datadog, evaluator, ask };
}

const client = ({ slis }: { readonly slis: readonly Loose[] }) => slis.find(({ sli }) => sli === 'client');

describe('both sides of a journey', () => {
  it('pass together, each by its own objective', async () => {
    const { ask } = await open({});
    const verdict = await ask('signup', 'shop');
    expect(verdict.summary).toMatch(/^PASS signup/);
    expect(verdict.services).toEqual(['shop', 'shop-web']);
    expect(verdict.slis.map(({ sli, objective }) => [sli, objective])).toEqual(
      expect.arrayContaining([
        ['availability', 0.9995],
        ['client', 0.98],
      ]),
    );
    expect(client(verdict)).toMatchObject({ total: 120 * canaryMinutes, bad: 0 });
    expect(
      client(verdict)
        .endpoints.map(({ endpoint }: Loose) => endpoint)
        .sort(),
    ).toEqual(['action Submit sign-up', 'view /signup', 'view /signup/?']);
  });

  it('fail where only the client does, while every server answers 200', async () => {
    const { ask } = await open({ events: [...good, broken] });
    const verdict = await ask('signup', 'shop');
    expect(verdict.verdict).toBe('fail');
    expect(verdict.summary).toContain(
      '300 of 2700 client events failed by views and actions: error, frustration, slow 4s (88.888%, objective 98%',
    );
    expect(verdict.summary).toContain('worst view /signup 300 of 1500');
    const servers = verdict.slis.find(({ sli }) => sli === 'availability');
    expect(servers).toMatchObject({ bad: 0, verdict: 'pass' });
    // What is counted is called by its name on each side.
    const heads = verdictText(verdict, colorsFor(capture().io)).match(/^ {2}endpoint +.*? {2}failed/gm);
    expect(heads?.map((head) => head.replaceAll(/ +/g, ' '))).toEqual([
      ' endpoint client events failed',
      ' endpoint requests failed',
    ]);
  });

  it('do not fail a release of a service that changes nothing on the client', async () => {
    const { ask } = await open({ events: [...good, broken] });
    const verdict = await ask('signup', 'member-api', { version: 'v2' });
    expect(verdict.summary).toMatch(/^PASS signup/);
    expect(verdict.slis.map(({ sli }) => sli)).toEqual(['availability']);
  });

  it('are judged for the service that releases both, and for the client by itself', async () => {
    const { evaluator, ask } = await open({ events: [...good, broken] });
    const params = new Map([
      ['version', 'v2'],
      ['stable_version', 'v1'],
    ]);
    const { verdict } = await evaluator.service({ service: 'shop', params }, new AbortController().signal);
    expect(verdict.verdict).toBe('fail');
    expect((await ask('signup', 'shop-web')).slis.map(({ sli }) => sli)).toEqual(['client']);
  });

  it('do not fail by what stable fails as well, such as errors of extensions', async () => {
    const noise = { ...broken, each: { canary: 1, stable: 4 } };
    const { ask } = await open({ events: [...good, noise] });
    expect((await ask('signup', 'shop')).verdict).not.toBe('fail');
  });
});

describe('a canary selector of the client that matches all versions', () => {
  it('does not pass, although the servers are told apart: the old scripts would dilute what fails', async () => {
    const of = document();
    of.defaults.gate = { maxWindow: '45m' };
    of.services['shop-web'].canary = 'env:production';
    delete of.services['shop-web'].stable;
    const { ask } = await open({
      document: of,
      events: [
        { name: '/signup', each: { canary: 12, stable: 960 } },
        { name: '/signup', each: { canary: 12, stable: 0 }, with: { 'view.error.count': 1 } },
      ],
    });
    const verdict = await ask('signup', 'shop');
    expect(`${verdict.verdict} ${verdict.reason}`).toBe('inconclusive canary_indistinguishable');
    expect(verdict.summary).toContain('the selector of the canary matches both versions');
  });
});

describe('selectors that match the same events', () => {
  const overlapping = (): Loose => {
    const of = document();
    of.defaults.gate = { rule: 'baseline' };
    // Stable is all of the client: what fails on the canary fails on stable as well.
    of.services['shop-web'].stable = 'env:production';
    return of;
  };
  const mostlyCanary: readonly Minute[] = [
    { name: '/signup', each: { canary: 200, stable: 20 } },
    { name: '/signup', each: { canary: 60, stable: 0 }, with: { 'view.error.count': 1 } },
  ];

  it.each([
    ['shop', { version: 'v2', stable_version: 'v1' }],
    ['shop-web', { version: 'v2' }],
  ])('of the client do not pass, also where those of the servers do not (%s)', async (service, params) => {
    const { ask } = await open({ document: overlapping(), events: mostlyCanary });
    const verdict = await ask('signup', service, params);
    expect(`${verdict.verdict} ${verdict.reason}`).toBe('inconclusive canary_indistinguishable');
    expect(verdict.summary).toContain('match the same requests');
  });
});

describe('what counts', () => {
  it('is what the definition says, of real users of the application on the named views', async () => {
    const each = { canary: 10, stable: 40 };
    const { ask } = await open({
      events: [
        ...good,
        { name: '/signup', each, with: { 'view.loading_time': 4_000_000_001 } },
        { name: '/signup', each: { canary: 7, stable: 28 }, with: { 'view.loading_time': 4_000_000_000 } },
        { name: '/signup/?', each, with: { 'view.frustration.count': 1 } },
        { type: 'action', name: 'Submit sign-up', each, with: { 'action.frustration.type': 'dead_click' } },
        // None of these counts.
        { name: '/signup', each, with: { 'session.type': 'synthetics', 'view.error.count': 1 } },
        { name: '/signup', each, with: { 'application.id': 'other', 'view.error.count': 1 } },
        { name: '/signup', each, with: { env: 'staging', 'view.error.count': 1 } },
        { name: '/SIGNUP', each, with: { 'view.error.count': 1 } },
        { name: '/cart', each, with: { 'view.error.count': 1 } },
        { type: 'action', name: '/signup', each, with: { 'action.error.count': 1 } },
      ],
    });
    expect(client(await ask('signup', 'shop'))).toMatchObject({
      total: (120 + 37) * canaryMinutes,
      bad: 30 * canaryMinutes,
      stable: { total: (480 + 148) * 50, bad: 120 * 50 },
    });
    // The same view by another definition: only errors fail there.
    expect(client(await ask('browse', 'shop'))).toMatchObject({ total: (160 + 17) * canaryMinutes, bad: 0 });
  });

  it('counts a view once, by what it was in the end', async () => {
    const failsLater: Minute = {
      ...broken,
      each: { canary: 15, stable: 60 },
      before: [
        { at: -3 * minute, attributes: { 'view.error.count': 0 } },
        { at: -2 * minute, attributes: { 'view.error.count': 1 } },
      ],
    };
    const { ask } = await open({ events: [...good, failsLater] });
    expect(client(await ask('signup', 'shop'))).toMatchObject({
      total: 135 * canaryMinutes,
      bad: 15 * canaryMinutes,
      verdict: 'inconclusive',
    });
  });

  it('is refused where metrics count views as soon as they match: each would be good first, and then bad', async () => {
    const failsLater: Minute = {
      ...broken,
      each: { canary: 15, stable: 60 },
      before: [{ at: -3 * minute, attributes: { 'view.error.count': 0 } }],
    };
    const { ask } = await open({
      events: [...good, failsLater],
      applied: (metrics) =>
        metrics.map((metric) =>
          metric.uniqueness === undefined ? metric : { ...metric, uniqueness: { when: 'match' } },
        ),
    });
    expect((await ask('signup', 'shop')).reason).toBe('source_malformed');
  });
});

describe('metrics that are missing never pass', () => {
  it.each(['enforce', 'lenient'])('where nothing was applied (%s)', async (how) => {
    const of = document();
    if (how === 'lenient') of.defaults.gate = { onLowTraffic: 'pass', onUnreached: 'pass', minRequests: 0 };
    const { ask } = await open({ document: of, applied: () => [] });
    for (const service of ['shop', 'shop-web']) {
      const verdict = await ask('signup', service);
      expect(`${verdict.verdict} ${verdict.reason}`).toBe('inconclusive no_data');
      expect(verdict.hint).toContain('cuj-gate generate terraform');
    }
  });

  const lacking = (part: RegExp) => (metrics: RumMetricDefinition[]) =>
    metrics.filter(({ name }) => !part.test(name));

  it.each([
    ['all events', /\.views$/],
    ['good events', /\.views\.good\./],
    ['failed events', /\.views\.failed\./],
  ])('where the metric of %s was not', async (_, part) => {
    const { ask } = await open({ events: [...good, broken], applied: lacking(part) });
    const verdict = await ask('signup', 'shop');
    expect(`${verdict.verdict} ${verdict.reason}`).toBe('inconclusive source_malformed');
  });

  it('where the definition of failure changed before Terraform was applied', async () => {
    const before = document();
    const after = document();
    after.cujs[0].client.fails = ['error'];
    const { ask } = await open({
      document: after,
      events: [...good, broken],
      applied: () => metricsOf(registryOf({ ...before, cujs: [before.cujs[0]] })),
    });
    const verdict = await ask('signup', 'shop');
    expect(`${verdict.verdict} ${verdict.reason}`).toBe('inconclusive source_malformed');
  });

  it('but the metric of failures may have no data where nothing failed: the good ones are counted', async () => {
    const { ask } = await open({ applied: lacking(/\.failed\./) });
    expect((await ask('signup', 'shop')).summary).toMatch(/^PASS signup/);
  });

  it('where the client has none of the new version, and the hint says whose version it is', async () => {
    const onlyStable = good.map((one) => ({ ...one, each: { ...one.each, canary: 0 } }));
    const { ask } = await open({ events: onlyStable });
    const verdict = await ask('signup');
    expect(`${verdict.verdict} ${verdict.reason}`).toBe('inconclusive no_data');
    expect(verdict.hint).toContain('service=NAME');
    expect((await ask('signup', 'shop-web')).hint).toContain('RUM SDK');
  });
});
