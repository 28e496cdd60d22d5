import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type CallerError, SourceError } from '../../src/domain/errors.ts';
import {
  type BatchQuery,
  bucketMs,
  type MetricsSource,
  recentStepMs,
  type Snapshot,
} from '../../src/domain/metrics/metrics-source.ts';
import type { Registry, Service } from '../../src/domain/registry/model.ts';
import { selectorText } from '../../src/domain/registry/selector.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { registryOf } from '../domain/judge/journey.ts';
import { Rates } from './rates.ts';

const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "1h" } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "auth": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "mail": { "env": "prod", "operation": "smtp", "canary": "role:canary" } },
    "cujs": [
      { "name": "login", "owner": "t", "service": "shop", "endpoints": ["GET /a", "GET /b"] },
      { "name": "slow-data", "owner": "t", "service": "shop", "gate": { "lag": "1h" }, "endpoints": ["GET /a"] },
      { "name": "late-data", "owner": "t", "service": "shop", "gate": { "lag": "1m" }, "endpoints": ["GET /a"] },
      { "name": "pay", "owner": "t", "service": "shop", "slo": { "latency": 99 },
        "endpoints": [ { "method": "POST", "path": "/pay", "latencyMs": 300 },
                       { "service": "auth", "method": "GET", "path": "/me" },
                       { "service": "mail", "resource": "send" } ] },
      { "name": "watched", "owner": "t", "service": "shop", "mode": "observe", "endpoints": ["GET /w"] },
      { "name": "all", "owner": "t", "service": "auth", "endpoints": "*" } ] }`);

/** With a lag of 45 s, the newest data ends at 10:00:00. */
const now = Date.parse('2026-01-31T10:00:50Z');
const signal = new AbortController().signal;
const params = new Map([['version', 'v2']]);

const calm = () => new Rates((side) => ({ total: side === 'canary' ? 100 : 900 }));

function evaluatorOf(source: MetricsSource, at: Registry = registry, clock = () => now) {
  return createEvaluator({ registry: () => at, source, now: clock });
}

describe('the evaluation of a CUJ', () => {
  it('asks for maxWindow and the minute that has begun: the past by minute, the newest minutes by 10 s', async () => {
    const source = calm();
    const { verdict, queries } = await evaluatorOf(source, registry, () => now + 30_000).cuj(
      { cuj: 'login', params },
      signal,
    );
    expect(verdict).toMatchObject({
      verdict: 'pass',
      registry: 'sha256:test',
      window: { from: '2026-01-31T09:00:00.000Z', to: '2026-01-31T10:00:30.000Z', seconds: 3630 },
      traffic: { canary: 6050, stable: 54_450 },
    });
    expect(verdict.slis[0]).toMatchObject({ total: 12_100, bad: 0 });
    expect(source.asked.map(spanOf)).toEqual([
      // slow-data needs an hour that ended an hour ago.
      { from: '2026-01-31T07:55:00.000Z', to: '2026-01-31T09:50:00.000Z', stepMs: 60_000 },
      { from: '2026-01-31T09:50:00.000Z', to: '2026-01-31T10:00:30.000Z', stepMs: 10_000 },
    ]);
    expect(queries).toHaveLength(1);
  });

  it("is made again only when its end, a snapshot, the registry or the budget's opinion is another", async () => {
    let clock = now;
    let measured = await snapshots();
    let current = registry;
    let opinion = {};
    const evaluator = createEvaluator({
      registry: () => current,
      source: { measure: async (query) => snapshotFor(query, measured) },
      now: () => clock,
      budget: () => opinion,
    });
    const ask = (wishes = {}) => evaluator.cuj({ cuj: 'login', params, ...wishes }, signal);
    const isNew = { remembered: false };
    const first = await ask();
    expect(first.remembered).toBe(false);
    clock += 20_000;
    expect(await ask()).toEqual({ ...first, remembered: true });
    expect(await ask({ window: '5m' })).toMatchObject(isNew);
    expect(await ask()).toMatchObject({ remembered: true });
    current = { ...registry };
    expect(await ask()).toMatchObject(isNew);
    measured = { ...measured, recent: { ...measured.recent } };
    expect(await ask()).toMatchObject(isNew);
    expect(await ask()).toMatchObject({ remembered: true });
    measured = { ...measured, past: { ...measured.past } };
    expect(await ask()).toMatchObject(isNew);
    opinion = { note: 'the error budget is used up' };
    expect(await ask()).toMatchObject(isNew);
    expect(await ask()).toMatchObject({ remembered: true });
  });

  it('is made again of the same snapshots where the lag of its CUJ is longer than that of the others', async () => {
    let clock = now;
    const measured = await snapshots();
    const source = { measure: async (query: BatchQuery) => snapshotFor(query, measured) };
    const evaluator = evaluatorOf(source, registry, () => clock);
    const ends: unknown[] = [];
    for (; clock <= now + 20_000; clock += 5_000) {
      const { verdict, remembered } = await evaluator.cuj({ cuj: 'late-data', params }, signal);
      ends.push([verdict.window?.to, remembered]);
    }
    expect(ends).toEqual([
      ['2026-01-31T09:59:50.000Z', false],
      ['2026-01-31T09:59:50.000Z', true],
      ['2026-01-31T10:00:00.000Z', false],
      ['2026-01-31T10:00:00.000Z', true],
      ['2026-01-31T10:00:00.000Z', true],
    ]);
  });

  it('is forgotten where others hold too many counts, however few they are', async () => {
    const measured = await snapshots();
    const still: MetricsSource = { measure: async (query) => snapshotFor(query, measured) };
    const ports = { registry: () => registry, source: still, now: () => now, rememberedCounts: 2_000 };
    const evaluator = createEvaluator(ports);
    const first = await evaluator.cuj({ cuj: 'login', params }, signal);
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject({ remembered: true });
    for (const window of ['5m', '6m', '7m']) await evaluator.cuj({ cuj: 'login', params, window }, signal);
    const again = await evaluator.cuj({ cuj: 'login', params }, signal);
    expect(again).toEqual(first);
    expect(again.remembered).toBe(false);
  });

  it('asks by the clock and the registry of now, also where the same was asked before', async () => {
    let clock = now;
    let current = registry;
    const source = calm();
    const evaluator = createEvaluator({ registry: () => current, source, now: () => clock });
    await evaluator.cuj({ cuj: 'login', params }, signal);
    clock += 60_000;
    await evaluator.cuj({ cuj: 'login', params }, signal);
    const shop = {
      ...registry.services.get('shop'),
      canary: registry.services.get('mail')?.canary,
    } as Service;
    current = { ...registry, services: new Map(registry.services).set('shop', shop) };
    await expect(evaluator.cuj({ cuj: 'login', params }, signal)).rejects.toMatchObject({
      details: { parameter: 'version' },
    });
    await evaluator.cuj({ cuj: 'login', params: new Map() }, signal);
    const [first, second, third, ...more] = source.asked.filter(({ stepMs }) => stepMs === recentStepMs);
    expect(second?.toMs).toBe((first?.toMs ?? 0) + 60_000);
    expect(third?.canary.terms).toEqual([{ key: 'role', value: 'canary' }]);
    expect(more).toEqual([]);
  });

  it('keeps no registry alive that was replaced', async () => {
    setFlagsFromString('--expose-gc');
    // An asynchronous collection starts from an empty stack, so that no stale slot of a running function holds the registry.
    const collect = runInNewContext('gc') as (options: {
      type: 'major';
      execution: 'async';
    }) => Promise<void>;
    const judgeThenReplace = async () => {
      let current = { ...registry };
      const replaced = new WeakRef(current);
      const evaluator = createEvaluator({ registry: () => current, source: calm(), now: () => now });
      await evaluator.cuj({ cuj: 'login', params }, signal);
      current = { ...registry };
      await evaluator.cuj({ cuj: 'slow-data', params }, signal);
      return { evaluator, replaced };
    };
    const { evaluator, replaced } = await judgeThenReplace();
    await collect({ type: 'major', execution: 'async' });
    expect(replaced.deref()).toBeUndefined();
    // The evaluator outlives the collection, with all that it remembers.
    await expect(evaluator.cuj({ cuj: 'login', params }, signal)).resolves.toBeDefined();
  });

  it('takes the counts of its own endpoints, whatever else the snapshot holds', async () => {
    const source = new Rates((side, service, resource) =>
      side === 'stable' || resource === 'get_/w' || service === 'auth'
        ? { total: 900, bad: 900 }
        : { total: 100 },
    );
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'login', params }, signal);
    expect(verdict.slis[0]).toMatchObject({ total: 12_000, bad: 0 });
  });

  it('of several services measures each scope once and sums over all', async () => {
    const source = calm();
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'pay', params }, signal);
    expect(scopesOf(source.asked)).toHaveLength(2);
    expect(source.asked).toHaveLength(4);
    expect(verdict.slis.map(({ sli, total }) => [sli, total])).toEqual([
      ['availability', 18_000],
      ['latency', 6000],
    ]);
  });

  it('about one of its services leaves the others and what only they have out', async () => {
    const source = calm();
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'pay', params, service: 'auth' }, signal);
    expect(scopesOf(source.asked)).toHaveLength(1);
    expect(verdict).toMatchObject({ verdict: 'pass', services: ['auth'] });
    expect(verdict.slis.map(({ sli }) => sli)).toEqual(['availability']);
  });

  it("judges the whole service where its endpoints are '*'", async () => {
    const source = new Rates((side, _, resource) =>
      resource === '*' ? { total: side === 'canary' ? 100 : 900, bad: side === 'canary' ? 5 : 0 } : undefined,
    );
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'all', params }, signal);
    expect(verdict).toMatchObject({ verdict: 'fail', slis: [{ total: 6000, bad: 300 }] });
  });

  it('sees a canary that was always there also where another CUJ of its batch has less lag', async () => {
    const alone = new Rates((side) => (side === 'canary' ? { total: 500 } : undefined));
    for (const cuj of ['login', 'slow-data']) {
      const { verdict } = await evaluatorOf(alone).cuj({ cuj, params }, signal);
      expect(verdict).toMatchObject({ reason: 'canary_indistinguishable', window: { start: 'max_window' } });
    }
  });

  it('judges a CUJ of whole minutes whose lag is longer than what was asked for in short buckets', async () => {
    const { verdict, measurement } = await evaluatorOf(calm(), registry, () => now + 60_000).cuj(
      { cuj: 'slow-data', params },
      signal,
    );
    expect(verdict.window).toMatchObject({
      from: '2026-01-31T08:01:00.000Z',
      to: '2026-01-31T09:01:00.000Z',
    });
    expect(verdict.slis[0]?.total).toBe(60 * 100);
    expect(measurement?.recent).toBeUndefined();
    expect(measurement?.incompleteMs).toBeUndefined();
  });

  it.each([
    { minStepMs: 60_000, to: '2026-01-31T10:00:00.000Z', total: 6000, recentStepMs: undefined },
    { minStepMs: 20_000, to: '2026-01-31T10:00:30.000Z', total: 6050, recentStepMs: 20_000 },
    { minStepMs: 10_000, to: '2026-01-31T10:00:30.000Z', total: 6050, recentStepMs: 10_000 },
  ])(
    'takes buckets of $minStepMs ms where the source has no shorter ones, and only complete minutes',
    async (expected) => {
      const source = calm();
      source.minStepMs = expected.minStepMs;
      const evaluator = evaluatorOf(source, registry, () => now + 30_000);
      const { verdict, measurement } = await evaluator.cuj({ cuj: 'login', params }, signal);
      expect(verdict.window?.to).toBe(expected.to);
      expect(verdict.traffic?.canary).toBe(expected.total);
      expect(measurement?.recent?.stepMs).toBe(expected.recentStepMs);
    },
  );

  it('says of a since in the future no more than is true where the newest data is left out', async () => {
    const source = new Rates((side) =>
      side === 'canary' ? { total: 1000 } : { total: 9000, untilMs: now - 150_000 },
    );
    const since = new Date(now + 120_000).toISOString();
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'login', params, since }, signal);
    expect(verdict.window).toMatchObject({ to: '2026-01-31T09:59:00.000Z', incompleteSeconds: 60 });
    const ahead = /at least (\d+) s ahead/.exec(verdict.summary)?.[1];
    expect(Number(ahead)).toBeGreaterThan(60);
    expect(Number(ahead)).toBeLessThanOrEqual(120);
  });

  it('begins at the first hit of the canary on the service', async () => {
    const fromMs = Date.parse('2026-01-31T09:40:00Z');
    const source = new Rates((side) => (side === 'canary' ? { total: 100, fromMs } : { total: 900 }));
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'login', params }, signal);
    expect(verdict.window).toMatchObject({ from: '2026-01-31T09:40:00.000Z', start: 'first_hit' });
  });

  it("answers the source's trouble with a doubt, and throws what is nobody's trouble", async () => {
    const source = calm();
    source.trouble = new SourceError('source_timeout', 'Datadog did not answer in 7 s.', 'Wait.');
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'login', params }, signal);
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      ok: false,
      reason: 'source_timeout',
      hint: 'Wait.',
    });
    source.trouble = new TypeError('a bug');
    await expect(evaluatorOf(source).cuj({ cuj: 'login', params }, signal)).rejects.toThrow('a bug');
  });

  it('knows the nearest names of a CUJ and a service that do not exist', async () => {
    const evaluator = evaluatorOf(calm());
    const cuj = await evaluator.cuj({ cuj: 'logon', params }, signal).catch((error: CallerError) => error);
    expect(cuj).toMatchObject({ code: 'cuj_not_found', details: { nearest: ['login'] } });
    const service = await evaluator
      .service({ service: 'shpo', params }, signal)
      .catch((error: CallerError) => error);
    expect(service).toMatchObject({ code: 'service_not_found', details: { nearest: ['shop'] } });
  });
});

describe('the evaluation of a service', () => {
  it('ands its enforced CUJs, shares alpha among their SLIs and lets others watch', async () => {
    const source = new Rates((side, _, resource) =>
      side === 'canary' ? { total: 100, bad: resource === 'get_/w' ? 50 : 0 } : { total: 900 },
    );
    const { verdict, evaluations } = await evaluatorOf(source).service({ service: 'shop', params }, signal);
    expect(verdict).toMatchObject({ verdict: 'pass', service: 'shop' });
    expect(verdict.cujs.map(({ cuj }) => cuj)).toEqual(['late-data', 'login', 'pay', 'slow-data', 'watched']);
    // late-data, login, slow-data and both of pay's: five share it. The watched one has all of its own.
    const threshold = new Map(
      evaluations.map(({ cuj, verdict: { slis } }) => [
        cuj.name,
        slis.map(({ evidenceThreshold }) => evidenceThreshold),
      ]),
    );
    expect(threshold.get('login')).toEqual([100]);
    expect(threshold.get('pay')).toEqual([100, 100]);
    expect(threshold.get('watched')).toEqual([20]);
  });

  it('leaves out a CUJ that has nothing but latency, and no threshold there', async () => {
    const onlyLatency = registryOf(`
      { "apiVersion": "cuj-gate/v1",
        "services": {
          "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
          "auth": { "env": "prod", "operation": "http.request", "canary": "version:{version}" } },
        "cujs": [
          { "name": "pay", "owner": "t", "service": "shop", "slo": { "latency": 99 },
            "endpoints": [ { "method": "POST", "path": "/pay", "latencyMs": 300 },
                           { "service": "auth", "method": "GET", "path": "/me" } ] },
          { "name": "enter", "owner": "t", "service": "auth", "slo": { "availability": 99 }, "endpoints": ["GET /me"] } ] }`);
    const evaluator = createEvaluator({ registry: () => onlyLatency, source: calm(), now: () => now });
    const { verdict } = await evaluator.service({ service: 'auth', params }, signal);
    expect(verdict).toMatchObject({ verdict: 'pass', cujs: [{ cuj: 'enter' }] });
  });

  it('judges a CUJ that is measured over less than the window that is asked for by all that it has', async () => {
    const two = registryOf(`
      { "apiVersion": "cuj-gate/v1", "defaults": { "slo": { "availability": 99 } },
        "services": { "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" } },
        "cujs": [
          { "name": "pay", "owner": "t", "service": "shop", "endpoints": ["GET /a"] },
          { "name": "see", "owner": "t", "service": "shop", "mode": "observe", "gate": { "maxWindow": "30m" }, "endpoints": ["GET /b"] } ] }`);
    const evaluator = createEvaluator({ registry: () => two, source: calm(), now: () => now });
    const spans = async (window: string) => {
      const { evaluations } = await evaluator.service({ service: 'shop', params, window }, signal);
      return evaluations.map(({ verdict }) => verdict.window?.seconds);
    };
    expect(await spans('1h')).toEqual([3600, 1800]);
    expect(await spans('5m')).toEqual([300, 300]);
    await expect(spans('3h')).rejects.toThrow('longer than what is measured');
  });

  it('counts only the SLIs that the service has endpoints for', async () => {
    const { evaluations } = await evaluatorOf(calm()).service({ service: 'auth', params }, signal);
    expect(evaluations.map(({ verdict }) => verdict.slis[0]?.evidenceThreshold)).toEqual([40, 40]);
  });
});

/** The questions that `login` leads to: the past, and what is recent. */
async function firstQueries(): Promise<readonly [BatchQuery, BatchQuery]> {
  const source = calm();
  await evaluatorOf(source).cuj({ cuj: 'login', params }, signal);
  const [past, recent] = source.asked;
  return [past as BatchQuery, recent as BatchQuery];
}

interface Both {
  readonly past: Snapshot;
  readonly recent: Snapshot;
}

async function snapshots(): Promise<Both> {
  const [past, recent] = await firstQueries();
  const source = calm();
  return { past: await source.measure(past), recent: await source.measure(recent) };
}

function snapshotFor({ stepMs }: BatchQuery, { past, recent }: Both): Snapshot {
  return stepMs === bucketMs ? past : recent;
}

function spanOf({ fromMs, toMs, stepMs }: BatchQuery) {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), stepMs };
}

/** The batches and canaries that were asked for. */
function scopesOf(asked: readonly BatchQuery[]): string[] {
  return [...new Set(asked.map(({ batch, canary }) => `${batch.id} ${selectorText(canary)}`))];
}
