import { describe, expect, test, vi } from 'vitest';
import { judgeAgain, parseRecord, recordOf } from '../../src/commands/support/measurement-record.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import type { BackendName } from '../../src/registry-files/dialects.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { bench, digest, nowMs } from '../http/fixture.ts';
import { scratchFile } from '../registry-files/scratch.ts';
import { describeTallyQueries, type Stored, tallyDialect, tallySource } from './tally-backend.ts';

/** The one place where a dialect is added for registries that are read from files. */
vi.mock('../../src/registry-files/dialects.ts', async (original) => {
  const real = await original<typeof import('../../src/registry-files/dialects.ts')>();
  return {
    ...real,
    dialects: { ...real.dialects, tally: (await import('./tally-backend.ts')).tallyDialect },
  };
});

const document: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 }, gate: { maxWindow: '30m' } },
  sources: { shop: { total: 'ShopRequests', bad: 'ShopFailures', groupBy: 'route' } },
  services: {
    orders: {
      env: 'production',
      source: 'shop',
      canary: 'Release:{version}',
      stable: 'Release:{stable_version}',
    },
    carts: { env: 'production', source: 'shop', canary: 'Release:{version}' },
  },
  cujs: [
    {
      name: 'order',
      owner: 'team-orders',
      service: 'orders',
      endpoints: ['POST /Orders/{id}', 'GET /Orders/{id}/Items'],
    },
    { name: 'cart', owner: 'team-carts', service: 'carts', endpoints: ['PUT /Carts/{Cart}'] },
  ],
};

function registryOf(): Registry {
  const inputs = [{ file: 'cujs.yaml', document }];
  const resolution = resolveRegistry(inputs, digest, { dialect: tallyDialect });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

const routes = { orders: ['POST /Orders/{id}', 'GET /Orders/{id}/Items'], carts: ['PUT /Carts/{Cart}'] };

/** Both versions of both services, with so many failures of the canary a minute on the first route of `orders`. */
function storedWith(badPerMinute: number): Stored[] {
  return Object.entries(routes).flatMap(([service, ofService]) =>
    ofService.flatMap((route) =>
      ['V1.41.0', 'V1.42.0-RC1'].map((Release) => ({
        service,
        route,
        tags: { Release },
        perMinute: 200,
        badPerMinute: Release === 'V1.42.0-RC1' && route === 'POST /Orders/{id}' ? badPerMinute : 0,
      })),
    ),
  );
}

async function gate(badPerMinute: number, clockSkewMs = 0) {
  const registry = registryOf();
  const source = tallySource(() => storedWith(badPerMinute), clockSkewMs);
  const evaluator = createEvaluator({ registry: () => registry, source, now: () => nowMs });
  const state = { registry, files: [], loadedAtMs: nowMs, reloadErrors: 0, failure: undefined };
  const { app } = await bench({ evaluator, describeQueries: describeTallyQueries, registry: () => state });
  const ask = async (url: string) => (await app.inject({ url })).json();
  return { evaluator, ask };
}

const versions = 'version=V1.42.0-RC1&stable_version=V1.41.0';

describe('a backend that stores values and routes as they are', () => {
  test('passes a healthy canary, measured by its own keys', async () => {
    const { ask } = await gate(0);
    const verdict = await ask(`/cujs/order/status?${versions}&explain=true`);
    expect(verdict).toMatchObject({
      verdict: 'pass',
      reason: 'within_slo',
      canary: 'Release:V1.42.0-RC1',
      stable: 'Release:V1.41.0',
      traffic: { canary: 12_000, stable: 12_000, unmatchedRecently: 0 },
    });
    expect(verdict.slis[0].endpoints.map(({ resource }: { resource: string }) => resource)).toEqual(
      expect.arrayContaining(routes.orders),
    );
    expect(verdict.queries).toEqual([
      { name: 'canary', query: 'ShopRequests WHERE Release=V1.42.0-RC1 BY Service, Route' },
      { name: 'stable', query: 'ShopRequests WHERE Release=V1.41.0 BY Service, Route' },
    ]);
  });

  test('passes with stable as the rest', async () => {
    const { ask } = await gate(0);
    expect(await ask('/cujs/cart/status?version=V1.42.0-RC1')).toMatchObject({
      verdict: 'pass',
      stable: 'the rest',
      traffic: { canary: 6_000, stable: 6_000 },
    });
  });

  test('fails a broken endpoint by the name that people gave it', async () => {
    const { ask } = await gate(20);
    const verdict = await ask(`/cujs/order/status?${versions}`);
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.summary).toContain('worst POST /Orders/{id} 600 of 6000');
    expect(await ask('/services/carts/status?version=V1.42.0-RC1')).toMatchObject({ verdict: 'pass' });
  });

  test('has no data for the same version in lower case, and says where to look', async () => {
    const { ask } = await gate(0);
    const verdict = await ask('/cujs/order/status?version=v1.42.0-rc1&stable_version=V1.41.0');
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      reason: 'no_data',
      noDataCause: 'unknown_tag',
      canary: 'Release:v1.42.0-rc1',
      hint: "Compare the tags of the service's requests in Tally with both selectors: the label Release of the pods.",
    });
  });

  test('is named where a value cannot be asked for, and where a clock is wrong', async () => {
    const { ask } = await gate(0, 120_000);
    expect(await ask('/cujs/order/status?version=V1%3A2&stable_version=V1.41.0')).toMatchObject({
      code: 'invalid_request',
      hint: 'It must be the tag value that Tally stores.',
    });
    const same = await ask('/cujs/order/status?version=V1.41.0&stable_version=V1.41.0');
    expect(same.hint).toContain('let the label Release be the pod template hash');
    const verdict = await ask(`/cujs/order/status?${versions}`);
    expect(verdict.reason).toBe('clock_skew');
    expect(verdict.summary).toContain("120 s ahead of Tally's");
    expect(verdict.hint).toContain('Where TALLY_URL names a proxy');
  });

  test('shows its queries with the placeholders of the registry', async () => {
    const { ask } = await gate(0);
    expect(JSON.stringify(await ask('/cujs/order'))).toContain(
      'ShopRequests WHERE Release={version} BY Service, Route',
    );
  });

  test('is named where it does not answer in time', async () => {
    const registry = registryOf();
    const source = { measure: () => new Promise<never>(() => undefined) };
    const evaluator = createEvaluator({ registry: () => registry, source, now: () => nowMs });
    const state = { registry, files: [], loadedAtMs: nowMs, reloadErrors: 0, failure: undefined };
    const { app, world } = await bench({ evaluator, registry: () => state });
    const answer = app.inject({ url: `/cujs/order/status?${versions}` }).then((one) => one.json());
    await vi.waitFor(() => expect(world.timers).not.toEqual([]));
    // First the source is told to stop, then the answer goes without it.
    while (world.timers.length > 0) world.timers.shift()?.fire();
    expect(await answer).toMatchObject({
      reason: 'source_timeout',
      summary: 'INCONCLUSIVE order (source_timeout): Tally did not answer within 8s',
      hint: "Wait for the next measurement. If this lasts, check Tally's status page and the network to it.",
    });
  });

  test('is in the record of a verdict, so that a replay gives the same bytes', async () => {
    const { evaluator } = await gate(0);
    const params = new Map([
      ['version', 'v1.42.0-rc1'],
      ['stable_version', 'V1.41.0'],
    ]);
    const evaluation = await evaluator.cuj({ cuj: 'order', params }, AbortSignal.timeout(5_000));
    const record = parseRecord(JSON.stringify(recordOf(evaluation)));
    expect(record.verdict.hint).toContain('Tally');
    expect(judgeAgain(record)).toMatchObject({ same: true });
  });

  test('reads a registry from a file by the name of its dialect', async () => {
    const backend = 'tally' as BackendName;
    const loaded = await loadRegistry(scratchFile(JSON.stringify(document), 'cujs.json'), { backend });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.registry.cujs.get('order')?.endpoints.map(({ resource }) => resource)).toEqual(
      routes.orders,
    );

    const wrong = JSON.stringify({
      ...document,
      sources: { shop: { total: 'sum:shop', bad: 'ShopFailures' } },
    });
    expect(await loadRegistry(scratchFile(wrong, 'cujs.json'), { backend })).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([
        expect.objectContaining({ path: 'sources.shop.total', message: '"sum:shop" is no counter of Tally' }),
      ]),
    });
  });
});
