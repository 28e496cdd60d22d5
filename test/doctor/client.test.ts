import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkClientMetrics } from '../../src/doctor/check-client.ts';
import { checkRoutes } from '../../src/doctor/check-routes.ts';
import type { BackendFacts, ServiceFacts } from '../../src/domain/ports/backend-facts.ts';
import type { Service } from '../../src/domain/registry/model.ts';
import { clientMetricsOf } from '../../src/sources/datadog/query/client-metrics.ts';
import { registryOf } from '../generate/example.ts';

const registry = registryOf(parse(readFileSync('test/testdata/client-registry.yaml', 'utf8')));
const client = registry.services.get('shop-web') as Service;
const metrics = clientMetricsOf(registry, client);

const factsOf = (more: Partial<BackendFacts>): BackendFacts => ({
  fromMs: 0,
  toMs: 1,
  calls: 1,
  failures: [],
  activeMetrics: new Set(metrics.map(({ name }) => name)),
  tags: new Map(
    metrics.map(({ name, tags }) => [name, new Map([...tags.keys()].map((key) => [key, new Set()]))]),
  ),
  services: new Map(),
  slos: undefined,
  ...more,
});
const found = (more: Partial<BackendFacts>) =>
  checkClientMetrics(registry, factsOf(more), client).map(({ severity, check, message }) => [
    severity,
    check,
    message,
  ]);

describe("doctor and a client's metrics", () => {
  it('finds nothing where all are there', () => expect(found({})).toEqual([]));

  it('says that Terraform was not applied, where none is there', () => {
    const [finding] = checkClientMetrics(registry, factsOf({ activeMetrics: new Set() }), client);
    expect(finding).toMatchObject({ severity: 'error', check: 'client-metric-missing' });
    expect(finding?.message).toMatch(/^8 of 8 metrics of this client had no points/);
    expect(finding?.fix).toContain('cuj-gate generate terraform');
  });

  it.each([
    ['a kind of events', (name: string) => !name.includes('.views'), 'without any of its views'],
    ['the total of a kind', (name: string) => !name.endsWith('.views'), 'source_malformed'],
  ])(
    'does not promise an inconclusive verdict where %s is missing and another one is there',
    (_, is, says) => {
      const active = new Set(metrics.map(({ name }) => name).filter(is));
      const [finding] = checkClientMetrics(registry, factsOf({ activeMetrics: active }), client);
      expect(finding).toMatchObject({ severity: 'error', check: 'client-metric-missing' });
      expect(finding?.verdict).toContain(says);
      expect(finding?.verdict).not.toContain('always');
    },
  );

  it('is only a warning where nothing may have failed', () => {
    const all = metrics.map(({ name }) => name).filter((name) => !name.includes('.failed.'));
    expect(found({ activeMetrics: new Set(all) })).toEqual([
      ['warning', 'client-metric-missing', expect.stringContaining('.views.failed.error')],
    ]);
  });

  it('names a tag that a metric lacks, with the attribute that it comes from', () => {
    const [{ name }] = metrics as [(typeof metrics)[number]];
    const tags = new Map([
      [
        name,
        new Map([
          ['env', new Set<string>()],
          ['action_name', new Set<string>()],
        ]),
      ],
    ]);
    expect(found({ tags })).toEqual([['error', 'client-tag-missing', `${name} has no tag version`]]);
  });

  it('says nothing of what it could not ask for', () => {
    expect(found({ activeMetrics: undefined, tags: new Map() })).toEqual([]);
  });
});

describe('doctor and the names of views and actions', () => {
  const routes = new Map([
    ['view:/signup', 400],
    ['view:/', 300],
    ['view:/sign-up/', 200],
    ['action:submit_sign-up', 100],
  ]);
  const ofRoutes = (names: ReadonlyMap<string, number>) =>
    checkRoutes(
      registry,
      factsOf({}),
      client,
      { routes: names, elsewhere: [] } as unknown as ServiceFacts,
      5,
    );

  it('speaks of them as the registry does', () => {
    const [misspelt, unlisted] = ofRoutes(routes);
    expect(misspelt).toMatchObject({ check: 'endpoint-name', about: 'cuj signup: view /signup/?' });
    expect(misspelt?.message).toMatch(/^view \/signup\/\? had no events .* view \/sign-up\/ \(200 events\)/);
    expect(misspelt?.fix).toContain('under views of client');
    expect(unlisted?.message).toContain('view /sign-up/ (20%)');
    const silent = ofRoutes(new Map([...routes].slice(0, 3)));
    expect(silent.find(({ check }) => check === 'endpoint-without-hits')?.fix).toContain(
      'under actions of client',
    );
    expect(JSON.stringify([...ofRoutes(routes), ...silent])).not.toMatch(
      /view:|action:|routes that|hits in|resource:/,
    );
  });
});
