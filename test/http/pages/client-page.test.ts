import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { SliVerdict } from '../../../src/domain/judge/judge-sli.ts';
import type { BatchQuery, Series, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { aheadText } from '../../../src/http/pages/page-text.ts';
import {
  document as ofPrometheus,
  registryOf as prometheusRegistry,
} from '../../sources/prometheus/traffic.ts';
import { bench, registryOf } from '../fixture.ts';

/** The canary's newest 20 minutes and all of stable, with so many events a minute. */
function snapshotOf(query: BatchQuery, badOnClient: number): Snapshot {
  const { batch, fromMs, toMs, stepMs } = query;
  const buckets = (toMs - fromMs) / stepMs;
  const share = stepMs / 60_000;
  const series = (perMinute: number, bad: number, minutes: number): Series => {
    const inSpan = (i: number) => toMs - (fromMs + i * stepMs) <= minutes * 60_000;
    const of = (count: number) =>
      Float64Array.from({ length: buckets }, (_, i) => (inSpan(i) ? count * share : 0));
    return { total: of(perMinute), bad: of(bad) };
  };
  const side = (perMinute: number, bad: number, minutes: number) => ({
    whole: series(perMinute, 0, minutes),
    requests: new Map(
      batch.services.flatMap(({ resources }) =>
        resources.map((resource) => [resource, series(perMinute, 0, minutes)] as const),
      ),
    ),
    latency: new Map(),
    failures: new Map(
      batch.services.flatMap(({ failures = [] }) =>
        failures.map(
          ({ failure, resources }) =>
            [
              failure.text,
              new Map(resources.map((resource) => [resource, series(perMinute, bad, minutes)])),
            ] as const,
        ),
      ),
    ),
  });
  const services = new Map(
    batch.services.map(({ service }) => [
      service.name,
      { canary: side(60, badOnClient, query.stepMs < 60_000 ? 20 : 0), stable: side(600, 0, 1e6) },
    ]),
  );
  return { fromMs, toMs, stepMs, services, queries: [] };
}

async function pages(badOnClient: number) {
  const document = parse(readFileSync('test/testdata/client-registry.yaml', 'utf8')) as RegistryDocument;
  const { app, world } = await bench();
  world.registry = world.registry && { ...world.registry, registry: registryOf(document) };
  world.measure = async (query) => snapshotOf(query, badOnClient);
  const page = async (url: string) => (await app.inject({ url, headers: { accept: 'text/html' } })).body;
  return {
    verdict: await page('/cujs/signup/status?version=v2&stable_version=v1&service=shop'),
    cuj: await page('/cujs/signup'),
  };
}

it('says that bad requests are those of the source, where it has one', async () => {
  const { app, world } = await bench();
  world.registry = world.registry && { ...world.registry, registry: prometheusRegistry() };
  const { body } = await app.inject({ url: '/cujs/order', headers: { accept: 'text/html' } });
  expect(body).toContain('99.9% of requests that do not fail (bad of the source app)');
});

it('says of each endpoint what fails, where one has a definition of its own', async () => {
  const { app, world } = await bench();
  const [order] = ofPrometheus.cujs ?? [];
  const endpoints = [{ method: 'POST', path: '/a', failure: ['5xx', 401] }, 'GET /b'];
  const cujs = [{ ...order, endpoints }] as NonNullable<RegistryDocument['cujs']>;
  const registry = prometheusRegistry({ ...ofPrometheus, cujs });
  world.registry = world.registry && { ...world.registry, registry };
  const { body } = await app.inject({ url: '/cujs/order', headers: { accept: 'text/html' } });
  expect(body).toContain('99.9% of requests that do not fail (5xx, 401; bad of the source app)');
  expect(body).toContain('<td>5xx, 401</td>');
  expect(body).toContain('<td>bad of the source app</td>');
});

it('calls nothing good where failures cannot be seen', async () => {
  const { app, world } = await bench();
  world.registry = world.registry && { ...world.registry, registry: prometheusRegistry() };
  world.measure = async (query) => {
    const snapshot = snapshotOf(query, 0);
    for (const { canary } of snapshot.services.values())
      for (const series of canary.requests.values())
        Object.assign(series, { withStatus: new Float64Array(series.total.length) });
    return snapshot;
  };
  const url = '/cujs/order/status?version=v2';
  const { body } = await app.inject({ url, headers: { accept: 'text/html' } });
  expect(body).toContain('status_missing');
  expect(body).toContain(
    '0 of 1,680 requests are known to be bad. Failures cannot be seen where requests have no status',
  );
  expect(body).not.toMatch(/% good|ruled out|usual for/);
});

it('says how many events of a client are missing by their name', () => {
  const ahead = (sli: string) => aheadText({ sli, requestsToVerdict: 12 } as SliVerdict);
  expect(ahead('client')).toBe('A pass needs 12 more clean client events.');
  expect(ahead('latency')).toBe('A pass needs 12 more clean requests.');
});

describe('the pages of a journey with a client side', () => {
  it('show both sides, the worse one first', async () => {
    const { verdict, cuj } = await pages(12);
    expect(verdict).toContain('<title>FAIL signup, version:v2</title>');
    const [client, servers] = [verdict.indexOf('Client side'), verdict.indexOf('>Availability')];
    expect(client).toBeGreaterThan(0);
    expect(servers).toBeGreaterThan(client);
    expect(verdict).toMatch(
      /[\d,]+ of [\d,]+ client events failed by views and actions: error, frustration, slow 4s on the canary\./,
    );
    expect(verdict).toContain('view /signup/?');
    expect(cuj).toContain(
      '98% of client events that do not fail (views and actions: error, frustration, slow 4s)',
    );
    expect(cuj).toContain('99.95% of requests that do not end in 5XX');
    expect(cuj).toContain('action Submit sign-up');
  });

  it('pass together', async () => {
    const { verdict } = await pages(0);
    expect(verdict).toContain('<title>PASS signup, version:v2</title>');
    expect(verdict).toContain('Client side');
    expect(verdict).toContain('>Availability');
  });
});
