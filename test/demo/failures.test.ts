import { expect, it } from 'vitest';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { brokenBy, planTraffic, simulateRegistry } from '../../src/demo/own-registry.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';

const nowMs = Date.UTC(2026, 0, 31, 12, 0, 0);

it.each([
  ['grpc.server', 'grpc', 'hits', ['rpc.grpc.status_code:14']],
  ['grpc.server', { grpc: ['ABORTED'] }, 'hits', ['rpc.grpc.status_code:10']],
  ['http.request', [429], 'hits', ['http.status_code:429']],
  ['http.request', undefined, 'hits', ['http.status_code:500']],
  ['graphql.execute', 'errors', 'errors', []],
])('the demo breaks %s with failure %j as it says', (operation, failure, metric, wanted) => {
  const document = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99 } },
    services: { shop: { env: 'production', operation, canary: 'version:{version}' } },
    cujs: [
      {
        name: 'buy',
        owner: 'team',
        service: 'shop',
        endpoints: [{ resource: 'buy' }],
        ...(failure === undefined ? {} : { failure }),
      },
    ],
  } as unknown as RegistryDocument;
  const resolved = resolveRegistry([{ file: 'r.yaml', document }], 'sha256:0', { dialect: datadogDialect });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
  const { registry } = resolved;
  const traffic = planTraffic(registry);
  const store = new EventStore({ now: () => nowMs });
  const broken = brokenBy('buy', registry, traffic) ?? [];
  simulateRegistry({ store, seed: 1, registry, traffic, broken, nowMs }).advanceTo(nowMs);
  const ofCanary = (store.metric(`trace.${operation}.${metric}`)?.series ?? [])
    .map(({ tags }) => [...tags].map(([key, value]) => `${key}:${value}`))
    .filter((tags) => tags.includes('version:v2'));
  expect(ofCanary.some((tags) => wanted.every((tag) => tags.includes(tag)))).toBe(true);
});
