import { expect, it } from 'vitest';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { maxExplainedChars } from '../../src/http/status/explain.ts';
import { type Bench, bench, healthy, registryOf, snapshotOf } from './fixture.ts';

/** What a large registry may cost the answers to everybody else. */

async function benchOf(cujs: NonNullable<RegistryDocument['cujs']>, hash: string): Promise<Bench> {
  const gate = await bench();
  const of: RegistryDocument = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9 } },
    services: { api: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
    cujs,
  };
  const { registry } = gate.world;
  gate.world.registry = {
    ...(registry as NonNullable<typeof registry>),
    registry: registryOf(of, `sha256:${hash.repeat(64)}`),
  };
  return gate;
}

const names = Array.from({ length: 1_000 }, (_, i) => `cuj-${(i * 7) % 1_000}`);
const many = () =>
  benchOf(
    names.map((name, i) => ({ name, owner: 'team', service: 'api', endpoints: [`GET /things/${i}`] })),
    'a',
  );

it('a long list comes in pages, in the order of the registry', async () => {
  const { app } = await many();
  const first = (await app.inject('/cujs')).json();
  expect(first).toMatchObject({
    summary: '1000 CUJs over 1 services; 100 of them here',
    next: '/cujs?limit=100&after=cuj-693',
  });
  const listed: string[] = [];
  for (let url: string | undefined = '/cujs?limit=170'; url !== undefined; ) {
    const page: { cujs: { name: string }[]; next?: string } = (await app.inject(url)).json();
    expect(page.cujs.length).toBeLessThanOrEqual(170);
    listed.push(...page.cujs.map(({ name }) => name));
    url = page.next;
  }
  expect(listed).toEqual(names);
});

it.each([
  ['/cujs?limit=0', 'limit'],
  ['/cujs?limit=201', 'limit'],
  ['/cujs?limit=1e2', 'limit'],
  ['/cujs?limit=', 'limit'],
  ['/cujs?after=nothing', 'after'],
  ['/cujs?after=', 'after'],
])('%s is refused', async (url, parameter) => {
  const { app } = await bench();
  const answer = await app.inject(url);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({ code: 'invalid_request', parameter });
});

const paths = Array.from({ length: 2_000 }, (_, i) => `/things/${i}`);
/** Four CUJs of 500 endpoints, of which one fails on the canary. */
async function wide(): Promise<Bench> {
  const gate = await benchOf(
    [0, 1, 2, 3].map((i) => ({
      name: `wide-${i}`,
      owner: 'team',
      service: 'api',
      endpoints: paths.slice(i * 500, (i + 1) * 500).map((path) => ({ method: 'GET', path })),
    })),
    'b',
  );
  gate.world.measure = async (query) => ({
    ...snapshotOf(query, healthy, healthy, { 'get_/things/1499': { perMinute: 300, badPerMinute: 200 } }),
    queries: paths.map((path, i) => ({ name: `q${i}`, query: `sum:trace.http.request.hits{${path}}` })),
  });
  return gate;
}

it('explains the endpoints with the most bad events, and how many others there are', async () => {
  const { app } = await wide();
  const plain = (await app.inject('/cujs/wide-2/status?version=v2')).json();
  const text = (await app.inject('/cujs/wide-2/status?version=v2&explain')).body;
  const { queries, measurement, omitted, ...verdict } = JSON.parse(text);
  expect(verdict).toEqual(plain);
  expect(JSON.stringify({ queries, measurement }).length).toBeLessThan(maxExplainedChars);
  const shown: { resource: string }[] = measurement.availability;
  expect(shown.map(({ resource }) => resource)).toContain('get_/things/1499');
  expect(omitted.endpoints).toBe(500 - shown.length);
  expect(omitted.queries).toBe(2_000 - queries.length);
  expect(omitted.endpoints).toBeGreaterThan(0);
});

it('explains the worst CUJs of a service, and says how many others there are', async () => {
  const { app } = await wide();
  const { verdicts, verdictsOmitted } = (
    await app.inject('/services/api/status?version=v2&explain&pretty')
  ).json();
  expect(verdicts[0]).toMatchObject({ cuj: 'wide-2', verdict: 'fail' });
  expect(verdictsOmitted).toBe(4 - verdicts.length);
  expect(JSON.stringify(verdicts).length).toBeLessThan(2 * maxExplainedChars);
});
