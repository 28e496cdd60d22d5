import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type CallerError, SourceError } from '../../src/domain/errors.ts';
import {
  type BatchQuery,
  bucketMs,
  type MetricsSource,
  type Series,
  type SideCounts,
  type Snapshot,
} from '../../src/domain/metrics/metrics-source.ts';
import type { Registry, Service } from '../../src/domain/registry/model.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { registryOf } from '../domain/judge/journey.ts';

const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "1h" } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "auth": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "mail": { "env": "prod", "operation": "smtp", "canary": "role:canary" } },
    "cujs": [
      { "name": "login", "owner": "t", "service": "shop", "endpoints": ["GET /a", "GET /b"] },
      { "name": "slow-data", "owner": "t", "service": "shop", "gate": { "lag": "10m" }, "endpoints": ["GET /a"] },
      { "name": "pay", "owner": "t", "service": "shop", "slo": { "latency": 99 },
        "endpoints": [ { "method": "POST", "path": "/pay", "latencyMs": 300 },
                       { "service": "auth", "method": "GET", "path": "/me" },
                       { "service": "mail", "resource": "send" } ] },
      { "name": "watched", "owner": "t", "service": "shop", "mode": "observe", "endpoints": ["GET /w"] },
      { "name": "all", "owner": "t", "service": "auth", "endpoints": "*" } ] }`);

const now = Date.parse('2026-01-31T10:00:30Z');
const signal = new AbortController().signal;
const params = new Map([['version', 'v2']]);

interface Rate {
  readonly total: number;
  readonly bad?: number;
  /** Epoch ms from which there is traffic. */
  readonly fromMs?: number;
}

/** A source in memory: constant rates a minute, by side and by service and resource (`shop GET /a`). */
class Rates implements MetricsSource {
  readonly asked: BatchQuery[] = [];
  trouble: Error | undefined;
  readonly #rates: (side: 'canary' | 'stable', service: string, resource: string) => Rate | undefined;

  constructor(rates: (side: 'canary' | 'stable', service: string, resource: string) => Rate | undefined) {
    this.#rates = rates;
  }

  async measure(query: BatchQuery): Promise<Snapshot> {
    this.asked.push(query);
    if (this.trouble !== undefined) throw this.trouble;
    const side = (of: 'canary' | 'stable', service: string, resources: readonly string[]): SideCounts => {
      const series = (resource: string): Series | undefined => {
        const rate = this.#rates(of, service, resource);
        if (rate === undefined) return undefined;
        const buckets = (query.toMs - query.fromMs) / query.stepMs;
        const at = (count: number) =>
          Float64Array.from({ length: buckets }, (_, i) =>
            query.fromMs + i * bucketMs >= (rate.fromMs ?? 0) ? count : 0,
          );
        return { total: at(rate.total), bad: at(rate.bad ?? 0) };
      };
      const known = resources.map((resource) => [resource, series(resource)] as const);
      const requests = new Map(known.filter((pair): pair is [string, Series] => pair[1] !== undefined));
      return { whole: series('*'), requests, latency: new Map([[300, requests]]) };
    };
    return {
      fromMs: query.fromMs,
      toMs: query.toMs,
      stepMs: query.stepMs,
      services: new Map(
        query.batch.services.map(({ service, resources }) => [
          service.name,
          {
            canary: side('canary', service.name, resources),
            stable: side('stable', service.name, resources),
          },
        ]),
      ),
      queries: [{ name: query.batch.id, query: 'as asked' }],
    };
  }
}

const calm = () => new Rates((side) => ({ total: side === 'canary' ? 100 : 900 }));

function evaluatorOf(source: MetricsSource, at: Registry = registry, clock = () => now) {
  return createEvaluator({ registry: () => at, source, now: clock });
}

describe('the evaluation of a CUJ', () => {
  it('asks for the span of maxWindow that ends at the newest complete minute, and judges it', async () => {
    const source = calm();
    const { verdict, queries } = await evaluatorOf(source).cuj({ cuj: 'login', params }, signal);
    expect(verdict).toMatchObject({
      verdict: 'pass',
      registry: 'sha256:test',
      window: { from: '2026-01-31T08:59:00.000Z', to: '2026-01-31T09:59:00.000Z' },
      traffic: { canary: 6000, stable: 54_000 },
    });
    expect(verdict.slis[0]).toMatchObject({ total: 12_000, bad: 0 });
    expect(source.asked).toHaveLength(1);
    expect(queries).toHaveLength(1);
  });

  it("is made again only when a minute, the snapshot, the registry or the budget's opinion is another", async () => {
    let clock = now;
    const source = calm();
    const snapshot = await source.measure({
      ...(await firstQuery()),
    });
    let measured = snapshot;
    let current = registry;
    let opinion = {};
    const reloaded = { ...registry };
    const evaluator = createEvaluator({
      registry: () => current,
      source: { measure: async () => measured },
      now: () => clock,
      budget: () => opinion,
    });
    const isNew = { remembered: false };
    const first = await evaluator.cuj({ cuj: 'login', params }, signal);
    expect(first.remembered).toBe(false);
    clock += 20_000;
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toEqual({ ...first, remembered: true });
    expect(await evaluator.cuj({ cuj: 'login', params, window: '5m' }, signal)).toMatchObject(isNew);
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject({ remembered: true });
    current = reloaded;
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject(isNew);
    measured = { ...snapshot };
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject(isNew);
    clock += 60_000;
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject(isNew);
    opinion = { note: 'the error budget is used up' };
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject(isNew);
    expect(await evaluator.cuj({ cuj: 'login', params }, signal)).toMatchObject({ remembered: true });
  });

  it('is forgotten where others hold too many counts, however few they are', async () => {
    const snapshot = await calm().measure(await firstQuery());
    const still: MetricsSource = { measure: async () => snapshot };
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
    const [first, second, third] = source.asked;
    expect([second?.fromMs, second?.toMs]).toEqual([first?.fromMs, first?.toMs].map((ms = 0) => ms + 60_000));
    expect(third?.canary.terms).toEqual([{ key: 'role', value: 'canary' }]);
    expect(source.asked).toHaveLength(3);
  });

  it('keeps no registry alive that was replaced', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    let current = { ...registry };
    const replaced = new WeakRef(current);
    const evaluator = createEvaluator({ registry: () => current, source: calm(), now: () => now });
    await evaluator.cuj({ cuj: 'login', params }, signal);
    current = { ...registry };
    await evaluator.cuj({ cuj: 'slow-data', params }, signal);
    // A WeakRef holds its object until the current job ends.
    await new Promise(setImmediate);
    collect();
    expect(replaced.deref()).toBeUndefined();
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

  it('of several services asks each scope once and sums over all', async () => {
    const source = calm();
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'pay', params }, signal);
    expect(source.asked).toHaveLength(2);
    expect(verdict.slis.map(({ sli, total }) => [sli, total])).toEqual([
      ['availability', 18_000],
      ['latency', 6000],
    ]);
  });

  it('about one of its services leaves the others and what only they have out', async () => {
    const source = calm();
    const { verdict } = await evaluatorOf(source).cuj({ cuj: 'pay', params, service: 'auth' }, signal);
    expect(source.asked).toHaveLength(1);
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
    expect(verdict.cujs.map(({ cuj }) => cuj)).toEqual(['login', 'pay', 'slow-data', 'watched']);
    // login, slow-data and both of pay's: four share it. The watched one has all of its own.
    const threshold = new Map(
      evaluations.map(({ cuj, verdict: { slis } }) => [
        cuj.name,
        slis.map(({ evidenceThreshold }) => evidenceThreshold),
      ]),
    );
    expect(threshold.get('login')).toEqual([80]);
    expect(threshold.get('pay')).toEqual([80, 80]);
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

/** The question that `login` leads to. */
async function firstQuery(): Promise<BatchQuery> {
  const source = calm();
  await evaluatorOf(source).cuj({ cuj: 'login', params }, signal);
  return source.asked[0] as BatchQuery;
}
