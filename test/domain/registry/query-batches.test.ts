import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { maxBatchResources, maxBatchServices } from '../../../src/domain/registry/query-batches.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { CujDocument, RegistryDocument, ServiceDocument } from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { maxResourceListLength } from '../../../src/sources/datadog/query/query-plan-types.ts';

const traced = (over: Partial<ServiceDocument> = {}): ServiceDocument => ({
  env: 'production',
  operation: 'http.request',
  canary: 'version:{version}',
  ...over,
});

const cuj = (
  name: string,
  service: string,
  endpoints: CujDocument['endpoints'],
  over: Partial<CujDocument> = {},
) => ({
  name,
  owner: 'team',
  service,
  slo: { availability: 99.9 },
  endpoints,
  ...over,
});

function registryOf(document: Omit<RegistryDocument, 'apiVersion'>, dialect = datadogDialect): Registry {
  const resolution = resolveRegistry(
    [{ file: 'r.yaml', document: { apiVersion: 'cuj-gate/v1', ...document } }],
    'sha256:0',
    { dialect },
  );
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

const routes = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `GET /${prefix}/${i}`);
const served = ({ batches }: Registry) =>
  batches.map(({ services }) => services.map(({ service }) => service.name));

describe('batches', () => {
  it('hold the services that share env, source and both selectors, sorted', () => {
    const registry = registryOf({
      services: { b: traced(), a: traced(), c: traced({ operation: 'grpc.server' }), idle: traced() },
      cujs: [cuj('x', 'b', ['GET /b']), cuj('y', 'c', ['GET /c']), cuj('z', 'a', ['GET /a'])],
    });
    expect(served(registry)).toEqual([['a', 'b', 'c']]);
    expect(registry.batches[0]?.id).toBe('production/trace/a+2');
  });

  it('hold as many services as the backend measures in one call', () => {
    const services = { a: traced(), b: traced(), c: traced() };
    const cujs = [cuj('x', 'a', '*'), cuj('y', 'b', '*'), cuj('z', 'c', ['GET /c'])];
    const servedBy = (maxBatchServices: number) =>
      served(registryOf({ services, cujs }, { ...datadogDialect, maxBatchServices }));
    expect(servedBy(1)).toEqual([['a'], ['b'], ['c']]);
    expect(servedBy(2)).toEqual([['a', 'b'], ['c']]);
  });

  it('hold few services that have metrics of their own, since each is as many queries again', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const services = Object.fromEntries(names.map((name) => [name, traced({ source: 'spans' })]));
    const cujs = names.map((name) => cuj(`of-${name}`, name, '*'));
    expect(served(registryOf({ services, cujs }))).toEqual([['a', 'b', 'c', 'd', 'e'], ['f']]);
  });

  it.each([
    ['env', { env: 'staging' }],
    ['the canary selector', { canary: 'role:canary' }],
    ['the stable selector', { stable: 'version:{stable_version}' }],
  ])('are apart where %s differs', (_, over) => {
    const registry = registryOf({
      services: { a: traced(), b: traced(over) },
      cujs: [cuj('x', 'a', ['GET /a']), cuj('y', 'b', ['GET /b'])],
    });
    expect(served(registry)).toHaveLength(2);
  });

  it('are apart where the source differs, and carry its template', () => {
    const registry = registryOf({
      sources: {
        mesh: {
          total: 'sum:m{service:{service},{selector}}.as_count()',
          bad: 'sum:n{{selector}}.as_count()',
        },
      },
      services: { a: traced(), b: { env: 'production', source: 'mesh', canary: 'version:{version}' } },
      cujs: [cuj('x', 'a', ['GET /a']), cuj('y', 'b', '*')],
    });
    expect(registry.batches.map(({ id, template }) => [id, template?.name])).toEqual([
      ['production/mesh/b', 'mesh'],
      ['production/trace/a', undefined],
    ]);
  });

  it('ask for each resource once, the whole service not among them, and for thresholds by their value', () => {
    const registry = registryOf({
      services: { a: traced() },
      cujs: [
        cuj('x', 'a', [{ method: 'GET', path: '/slow', latencyMs: 900 }, 'GET /fast'], {
          latencyMs: 300,
          slo: { latency: 99 },
        }),
        cuj('y', 'a', ['GET /slow']),
        cuj('whole', 'a', '*', { latencyMs: 300, slo: { latency: 95 } }),
      ],
    });
    expect(registry.batches[0]?.services[0]).toMatchObject({
      resources: ['get_/fast', 'get_/slow'],
      asWhole: true,
      thresholds: [
        { latencyMs: 300, resources: ['*', 'get_/fast'] },
        { latencyMs: 900, resources: ['get_/slow'] },
      ],
    });
  });

  it('end at the least lag and still hold the longest window of a CUJ with a longer one', () => {
    const registry = registryOf({
      services: { a: traced() },
      cujs: [
        cuj('x', 'a', ['GET /x'], { gate: { maxWindow: '1h', lag: '60s' } }),
        cuj('y', 'a', ['GET /y'], { gate: { maxWindow: '3h', lag: '5m', window: '90m' } }),
      ],
    });
    // y looks back 3 h from 5 min ago, the snapshot ends 1 min ago.
    expect(registry.batches[0]).toMatchObject({ lagMs: 60_000, maxWindowMs: (3 * 60 + 4) * 60_000 });
  });

  it('leave a service with more resources than a batch holds to itself', () => {
    const registry = registryOf({
      services: { a: traced(), big: traced(), c: traced() },
      cujs: [
        cuj('x', 'a', ['GET /a']),
        cuj('y', 'big', routes('big', maxBatchResources + 1)),
        cuj('z', 'c', ['GET /c']),
      ],
    });
    expect(served(registry)).toEqual([['a'], ['big'], ['c']]);
  });

  it('are bounded, complete and the same whatever the order of the entries', () => {
    const services = fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 45 });
    fc.assert(
      fc.property(services, fc.infiniteStream(fc.integer({ min: 1, max: 120 })), (numbers, sizes) => {
        const cujs = numbers.map((n) =>
          cuj(`cuj-${n}`, `svc-${n}`, routes(`${n}${'y'.repeat(n)}`, sizes.next().value as number)),
        );
        const defined = Object.fromEntries(numbers.map((n) => [`svc-${n}`, traced()]));
        const registry = registryOf({ services: defined, cujs });
        const backwards = Object.fromEntries(Object.entries(defined).reverse());
        expect(registryOf({ services: backwards, cujs: [...cujs].reverse() }).batches).toEqual(
          registry.batches,
        );
        expect(served(registry).flat().sort()).toEqual(Object.keys(defined).sort());
        expect(new Set(registry.batches.map(({ id }) => id)).size).toBe(registry.batches.length);
        for (const batch of registry.batches) {
          expect(batch.services.length).toBeLessThanOrEqual(maxBatchServices);
          const resources = batch.services.reduce((sum, one) => sum + one.resources.length, 0);
          const list = batch.services.flatMap((one) => one.resources).join(',');
          expect(
            (resources <= maxBatchResources && list.length <= maxResourceListLength) ||
              batch.services.length === 1,
          ).toBe(true);
          for (const { service } of batch.services)
            expect(registry.batchOfService.get(service.name)).toBe(batch);
        }
      }),
      { numRuns: 30 },
    );
  });
});
