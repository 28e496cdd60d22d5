import { describe, expect, it } from 'vitest';
import { storeSlo } from '../../../../src/demo/datadog/slo.ts';
import { slisOf } from '../../../../src/domain/judge/judge.ts';
import { describeQueries } from '../../../../src/sources/datadog/query/query-plan.ts';
import { sloEvents, sloName } from '../../../../src/sources/datadog/query/slo-queries.ts';
import { exampleDocument, registryOf, smallRegistry } from '../../../generate/example.ts';

const example = registryOf(exampleDocument());
const eventsOf = (
  registry: ReturnType<typeof registryOf>,
  name: string,
  sli: Parameters<typeof sloEvents>[2],
) => {
  const cuj = registry.cujs.get(name);
  if (cuj === undefined) throw new Error(name);
  return sloEvents(registry, cuj, sli);
};

describe("an SLO's events", () => {
  it('are the requests of all endpoints and the 5XX among them', () => {
    const scope =
      'env:production AND service:member-api AND resource_name IN (get_/api/v1/me,post_/api/v1/login,post_/api/v1/token/refresh)';
    expect(eventsOf(example, 'login', 'availability')).toEqual({
      queried: 'bad',
      queries: [
        { name: 'total', query: `sum:trace.http.request.hits{${scope}}.as_count()` },
        { name: 'bad', query: `sum:trace.http.request.hits{${scope} AND http.status_code:5*}.as_count()` },
      ],
      total: 'total',
      bad: 'bad',
      good: 'total - bad',
    });
  });

  it('are counted once for each threshold of latency', () => {
    expect(eventsOf(example, 'login', 'latency')).toMatchObject({
      total: 'total_1 + total_2',
      good: 'good_1 + good_2',
      bad: 'total_1 + total_2 - good_1 - good_2',
    });
    expect(eventsOf(example, 'login', 'latency')?.queries.map(({ query }) => query.split('{')[0])).toEqual([
      'count:trace.http.request',
      'count(v: v<=0.3):trace.http.request',
      'count:trace.http.request',
      'count(v: v<=0.5):trace.http.request',
    ]);
  });

  it('are added up over services, whose routes and operations are their own', () => {
    const events = eventsOf(example, 'subscribe', 'availability');
    expect(events?.good).toBe('total_1 + total_2 - bad_1 - bad_2');
    expect(events?.queries.map(({ query }) => query.split(' AND resource')[0])).toEqual([
      'sum:trace.http.request.hits{env:production AND service:member-api',
      'sum:trace.http.request.hits{env:production AND service:member-api',
      'sum:trace.servlet.request.hits{env:production AND service:payment-api',
      'sum:trace.servlet.request.hits{env:production AND service:payment-api',
    ]);
  });

  it('are those that a verdict asks for, less the canary: the same metric, service, env and 5XX', () => {
    const batch = example.batchOfService.get('member-api');
    const asked = describeQueries(batch as NonNullable<typeof batch>).map(({ query }) => query);
    const bare = (query: string) =>
      query
        .replace(/ AND version:\{(stable_)?version\}/, '')
        .replace(/ by \{[^}]*\}/, '')
        .replace(/service(:| IN )\S+/, 'service')
        .replace(/resource_name IN \([^)]*\)/, 'resource_name');
    for (const { query } of eventsOf(example, 'login', 'availability')?.queries ?? []) {
      expect(asked.map(bare)).toContain(bare(query));
    }
  });

  it.each([...example.cujs.values()].flatMap((cuj) => slisOf(cuj).map((sli) => [cuj.name, sli] as const)))(
    'of %s, %s are taken by the simulator of Datadog, which refuses what Datadog does not know',
    (name, sli) => {
      const events = eventsOf(example, name, sli);
      const stored = storeSlo(
        {
          name,
          thresholds: [{ timeframe: '30d', target: 99.9 }],
          sli_specification: {
            count: {
              good_events_formula: { formula: events?.good ?? '' },
              bad_events_formula: { formula: events?.bad ?? '' },
              queries: (events?.queries ?? []).map((query) => ({
                data_source: 'metrics' as const,
                ...query,
              })),
            },
          },
        },
        0,
      );
      expect(stored.query.denominator).toContain(stored.query.numerator);
    },
  );

  it('of a whole service name no resource', () => {
    const events = eventsOf(smallRegistry([{ name: 'all', endpoints: '*' }]), 'all', 'availability');
    expect(events?.queries[0]?.query).toBe(
      'sum:trace.http.request.hits{env:prod AND service:shop}.as_count()',
    );
  });

  it('of a source template leave its selector out', () => {
    const registry = registryOf({
      apiVersion: 'cuj-gate/v1',
      sources: {
        istio: {
          total: 'sum:istio.mesh.request.count{destination_service_name:{service},{selector}}.as_count()',
          bad: 'sum:istio.mesh.request.count{destination_service_name:{service},{selector},response_code:5*}.as_count()',
        },
      },
      services: { shop: { env: 'prod', source: 'istio', canary: 'destination_version:{version}' } },
      cujs: [{ name: 'all', owner: 'team', service: 'shop', slo: { availability: 99.9 }, endpoints: '*' }],
    });
    expect(eventsOf(registry, 'all', 'availability')?.queries.map(({ query }) => query)).toEqual([
      'sum:istio.mesh.request.count{destination_service_name:shop}.as_count()',
      'sum:istio.mesh.request.count{destination_service_name:shop AND response_code:5*}.as_count()',
    ]);
  });

  it('of very many endpoints are cut into several queries, none of them lost', () => {
    const endpoints = Array.from({ length: 200 }, (_, i) => `GET /api/v1/${'x'.repeat(40)}/${i}`);
    const events = eventsOf(smallRegistry([{ name: 'many', endpoints }]), 'many', 'availability');
    const totals = (events?.queries ?? []).filter(({ name }) => name.startsWith('total'));
    expect(totals.length).toBeGreaterThan(1);
    for (const { query } of totals) expect(query.length).toBeLessThan(4_200);
    expect(totals.flatMap(({ query }) => query.match(/get_\/api[^,)]+/g) ?? [])).toHaveLength(200);
  });

  it('do not exist where there is no threshold', () => {
    expect(eventsOf(example, 'signup', 'latency')).toBeUndefined();
  });
});

it('an SLO is called by the CUJ and the SLI, so that it can be found again', () => {
  expect(sloName({ name: 'login' }, 'availability')).toBe('[cuj-gate] login availability');
});
