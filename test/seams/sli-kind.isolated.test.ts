import { describe, expect, test, vi } from 'vitest';
import type { Verdict } from '../../src/domain/judge/judge.ts';
import { judge } from '../../src/domain/judge/judge.ts';
import { readMeasurement, writeMeasurement } from '../../src/domain/metrics/measurement-json.ts';
import type { BatchQuery, Series, SideCounts, Snapshot } from '../../src/domain/metrics/metrics-source.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { countsIn } from '../evaluation/rates.ts';
import { bench, nowMs } from '../http/fixture.ts';
import { scratchFile } from '../registry-files/scratch.ts';

/** The only thing that is not the product's: the table, changed as somebody who adds a kind changes it. */
vi.mock('../../src/domain/sli/table.ts', async (original) => {
  const { sliKinds } = await original<typeof import('../../src/domain/sli/table.ts')>();
  const { status } = await import('./status-kind.ts');
  const all = { ...sliKinds, status };
  return { sliKinds: all, sliNames: Object.keys(all) };
});

const yaml = `
apiVersion: cuj-gate/v1
defaults: { gate: { maxWindow: 30m } }
services:
  shop: { env: production, operation: http.request, canary: 'version:{version}' }
cujs:
  - name: pay
    owner: team-payment
    service: shop
    slo: { availability: 99.9, status: 99 }
    sloId: { status: ${'0f'.repeat(16)} }
    endpoints: [POST /pay, GET /cart]
  - name: search
    owner: team-search
    service: shop
    slo: { status: 99.5 }
    endpoints: "*"
`;

async function registryOf(text = yaml): Promise<Registry> {
  const loaded = await loadRegistry(scratchFile(text));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.registry;
}

/** 300 requests a minute on each endpoint; on `GET /cart` of the canary so many of them without a status. */
function snapshotOf(query: BatchQuery, without: number): Snapshot {
  const series = (missing: number): Series => ({
    total: countsIn(query, 300),
    bad: countsIn(query, 0),
    withStatus: countsIn(query, 300 - missing),
  });
  const side = (missing: number): SideCounts => ({
    whole: series(missing),
    requests: new Map([
      ['post_/pay', series(0)],
      ['get_/cart', series(missing)],
    ]),
    latency: new Map(),
  });
  return {
    fromMs: query.fromMs,
    toMs: query.toMs,
    stepMs: query.stepMs,
    services: new Map([['shop', { canary: side(without), stable: side(0) }]]),
    queries: [],
  };
}

async function gate(without: number) {
  const registry = await registryOf();
  const evaluator = createEvaluator({
    registry: () => registry,
    source: { measure: async (query) => snapshotOf(query, without) },
    now: () => nowMs,
  });
  const state = { registry, files: [], loadedAtMs: nowMs, reloadErrors: 0, failure: undefined };
  const { app, metric } = await bench({ evaluator, registry: () => state });
  const ask = async (url: string) => (await app.inject({ url })).json();
  return { registry, evaluator, ask, metric };
}

describe('a kind of SLI that only the table knows', () => {
  test('has objectives in the registry, which are checked like those of the others', async () => {
    const { cujs } = await registryOf();
    expect(cujs.get('pay')).toMatchObject({
      objectives: { availability: { ratio: 0.999 }, status: { ratio: 0.99 } },
      sloIds: { status: '0f'.repeat(16) },
    });
    for (const [wrong, rule] of [
      ['status: 0.99', 'percent-not-ratio'],
      ['status: 99.12345', 'percent-decimals'],
      ['stats: 99', 'unknown-key'],
    ] as const) {
      const loaded = await loadRegistry(scratchFile(yaml.replace('status: 99 ', `${wrong} `)));
      expect(loaded).toMatchObject({ ok: false });
      expect(loaded.ok ? [] : loaded.problems.map((problem) => problem.rule)).toContain(rule);
    }
  });

  test('passes, and is measured and shown beside the others', async () => {
    const { ask } = await gate(0);
    const verdict = await ask('/cujs/pay/status?version=v2&explain=true');
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
    expect(verdict.slis.map(({ sli }: { sli: string }) => sli).sort()).toEqual(['availability', 'status']);
    expect(verdict.summary).toContain('requests without status');
    expect(Object.keys(verdict.measurement)).toEqual(expect.arrayContaining(['availability', 'status']));
    expect((await ask('/cujs/pay')).objectives).toEqual({ availability: 0.999, status: 0.99 });
  });

  test('fails by its own counts, with its own word, and names the endpoint', async () => {
    const { ask, metric } = await gate(30);
    const verdict: Verdict = await ask('/cujs/pay/status?version=v2');
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.slis[0]).toMatchObject({ sli: 'status', objective: 0.99, bad: 900, total: 18_000 });
    expect(verdict.summary).toMatch(
      /^FAIL pay \(slo_violated\): 900 of 18000 requests without status .*, worst GET \/cart 900 of 9000;/,
    );
    expect(
      await metric('cuj_gate_sli_ratio{cuj="pay",service="shop",sli="status",scope="canary"}'),
    ).toBeCloseTo(0.95);
    expect(await ask('/services/shop/status?version=v2')).toMatchObject({ verdict: 'fail' });
  });

  test('is judged again from a record to the same bytes', async () => {
    const { evaluator } = await gate(30);
    const { cuj, measurement, options, verdict } = await evaluator.cuj(
      { cuj: 'pay', params: new Map([['version', 'v2']]) },
      AbortSignal.timeout(5_000),
    );
    if (measurement === undefined) throw new Error('nothing was measured');
    const written = JSON.parse(JSON.stringify(writeMeasurement(measurement)));
    expect(written.status).toHaveLength(2);
    expect(JSON.stringify(judge(cuj, readMeasurement(written), options))).toBe(JSON.stringify(verdict));
  });

  test('is in the OpenAPI document', async () => {
    const { ask } = await gate(0);
    const document = JSON.stringify(await ask('/openapi.json'));
    expect(document).toContain('"enum":["availability","latency","client","status"]');
    expect(document).toContain('The least share of requests that carry a status.');
  });
});
