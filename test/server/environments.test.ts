import { describe, expect, it } from 'vitest';
import { RegistryRefused } from '../../src/server/compose.ts';
import { clustersDocument as document, question, serve } from './clusters.ts';

/** The history is written behind the answers. */
const patience = { timeout: 15_000 };

describe('two clusters under one gate, with the same service and version, one of them broken', () => {
  it('fails the rollout of the broken cluster and passes the other', async () => {
    const { get } = await serve();
    const [eu, us] = await Promise.all([
      get(`${question}&environment=eu`),
      get(`${question}&environment=us`),
    ]);
    expect(eu.body).toMatchObject({ verdict: 'pass', environment: 'eu', slis: [{ bad: 0 }] });
    expect(us.body).toMatchObject({ verdict: 'fail', environment: 'us', reason: 'slo_violated' });
    // Again, from what is remembered.
    expect(await get(`${question}&environment=eu`)).toEqual(eu);
    expect(await get(`${question}&environment=us`)).toEqual(us);
    const service = '/services/shop/status?version=v2&window=10m';
    expect((await get(`${service}&environment=eu`)).body).toMatchObject({
      verdict: 'pass',
      environment: 'eu',
    });
    expect((await get(`${service}&environment=us`)).body).toMatchObject({
      verdict: 'fail',
      environment: 'us',
    });
  });

  it('judges an environment without traffic by none of the others', async () => {
    const { get } = await serve();
    const { body } = await get(`${question}&environment=staging`);
    expect(body).toMatchObject({ wouldBe: { reason: 'no_data' }, environment: 'staging', mode: 'observe' });
  });

  it('keeps them apart in its metrics', async () => {
    const { gate, get } = await serve();
    await get(`${question}&environment=eu`);
    await get(`${question}&environment=us`);
    const metrics = (await gate.app.inject({ url: '/metrics' })).body;
    expect(metrics).toMatch(/cuj_gate_verdicts_total\{environment="eu",cuj="buy",.*verdict="pass".*\} 1/);
    expect(metrics).toMatch(/cuj_gate_verdicts_total\{environment="us",cuj="buy",.*verdict="fail".*\} 1/);
    expect(metrics).toMatch(/cuj_gate_sli_ratio\{environment="eu",cuj="buy".*scope="canary"\} 1\n/);
    expect(metrics).toMatch(/cuj_gate_sli_ratio\{environment="us",cuj="buy".*scope="canary"\} 0\.9\n/);
  });

  it('keeps them apart in its history and on its pages, whose links stay in the environment', async () => {
    const { get, page } = await serve();
    const { body: verdict } = await get(`${question}&environment=us`);
    await get(`${question}&environment=eu`);
    expect(verdict.link).toBe('https://gate.example.com/base/v/buy/v2/2026-03-10T12:00:00Z?environment=us');
    await expect.poll(async () => (await page('/?environment=us')).body, patience).toContain('FAIL');
    const eu = await page('/?environment=eu');
    expect(eu.body).not.toContain('FAIL');
    expect(eu.body).toContain('/base/cujs/buy?environment=eu');
    expect(eu.body).toContain('Environment: eu');
    for (const [, link] of eu.body.matchAll(/href="(\/base\/(?!assets|")[^"]*)"/g))
      expect(link).toMatch(/[?&;]environment=eu/);
    // What was kept: the releases of the CUJ.
    await expect.poll(async () => (await page('/cujs/buy?environment=us')).body, patience).toContain('FAIL');
    expect((await page('/cujs/buy?environment=eu')).body).not.toContain('FAIL');
    const moved = await page('/v/buy/v2?environment=us');
    expect(moved).toMatchObject({
      statusCode: 302,
      location: '/base/cujs/buy/status?version=v2&environment=us',
    });
    const kept = await page(`${question.replace('&window=10m', '')}&environment=us`);
    expect(kept.body).toContain('href="/base/cujs/buy?environment=us"');
  });
});

it('the error budget of each environment is refreshed, from the SLO that has its name', async () => {
  const policy = [{ below: '50%', action: 'Only fixes go out.', gate: 'strict' }];
  const cujs = document.cujs.map((cuj) => ({ ...cuj, errorBudgetPolicy: policy }));
  const { get } = await serve({}, { ...document, cujs });
  for (const environment of ['eu', 'us']) {
    const note = async () => (await get(`${question}&environment=${environment}`)).body.budgetNote;
    await expect.poll(note, patience).toContain(`"[cuj-gate] buy availability (${environment})"`);
  }
});

it('the change event of one cluster has its name and env, and the other cluster makes another one', async () => {
  const { get, simulator } = await serve({ CUJ_GATE_EVENTS_DD_API_KEY: 'b'.repeat(32) });
  await get(`${question}&environment=us`);
  await expect.poll(() => simulator.events.length, patience).toBe(1);
  const [event] = simulator.events;
  expect(event?.tags).toEqual(
    expect.arrayContaining(['cuj-environment:us', 'env:production', 'verdict:fail', 'cuj:buy']),
  );
  expect(event?.attributes.change_metadata?.link).toMatch(/\/v\/buy\/v2\/.*\?environment=us$/);
  // A pass in eu is told when it has settled: nothing about us counts for it.
  await get(`${question}&environment=eu`);
  expect(simulator.events).toHaveLength(1);
});

describe('a request where the registry has environments', () => {
  it('that names none is refused with the list, whatever it asks', async () => {
    const { get } = await serve();
    for (const url of [question, '/services/shop/status?version=v2', '/cujs', '/cujs/buy']) {
      const { statusCode, body } = await get(url);
      expect([url, statusCode, body.code]).toEqual([url, 400, 'invalid_request']);
      expect(body.hint).toContain('eu, us, staging');
      expect(body).not.toHaveProperty('verdict');
    }
  });

  it('that names one that does not exist is told the nearest', async () => {
    const { get } = await serve();
    const { statusCode, body } = await get(`${question}&environment=stagin`);
    expect(statusCode).toBe(400);
    expect(body.hint).toBe('Did you mean "staging"? It has: eu, us, staging.');
  });

  it('gets its CUJs with links that stay in the environment, and the tags of their services', async () => {
    const { get } = await serve();
    const { body: list } = await get('/cujs?environment=us');
    expect(list).toMatchObject({ environment: 'us', cujs: [{ url: '/cujs/buy?environment=us' }] });
    const { body: cuj } = await get(list.cujs[0].url);
    expect(cuj.services).toMatchObject([{ env: 'production', tags: { cluster_name: 'us-1' } }]);
    expect(cuj.queries[0].query).toContain('cluster_name:us-1');
    const { body: staging } = await get('/cujs/buy?environment=staging');
    expect(staging.objectives.availability).toBe(0.99);
    expect((await get('/registry')).body.environments).toEqual(['eu', 'us', 'staging']);
    const { body: openapi } = await get('/openapi.json');
    const of = openapi.paths['/cujs/{name}/status'].get.parameters;
    expect(of.find(({ name }: { name: string }) => name === 'environment')).toMatchObject({
      required: true,
      schema: { enum: ['eu', 'us', 'staging'] },
    });
  });

  it('of a browser for the start page or the report lets a person choose', async () => {
    const { page } = await serve();
    const { statusCode, body } = await page('/report');
    expect(statusCode).toBe(200);
    for (const name of ['eu', 'us', 'staging']) expect(body).toContain(`/base/report?environment=${name}`);
  });
});

describe('a gate whose setting names the environment', () => {
  it('answers for it alone, also where the request names none', async () => {
    const { get } = await serve({ CUJ_GATE_ENVIRONMENT: 'us' });
    expect((await get(question)).body).toMatchObject({ verdict: 'fail', environment: 'us' });
    expect((await get(`${question}&environment=us`)).body).toMatchObject({ verdict: 'fail' });
  });

  it('refuses a request that names another one, so that no URL gets a laxer rule', async () => {
    const { get } = await serve({ CUJ_GATE_ENVIRONMENT: 'us' });
    const { statusCode, body } = await get(`${question}&environment=staging`);
    expect(statusCode).toBe(400);
    expect(body.detail).toContain('answers for the environment "us" alone');
  });

  it('does not start where the registry has no such environment', async () => {
    await expect(serve({ CUJ_GATE_ENVIRONMENT: 'uss' })).rejects.toThrow(RegistryRefused);
    const { environments: _, ...plain } = document;
    const cujs = document.cujs.map(({ environments: __, ...cuj }) => cuj);
    const services = { shop: { ...document.services.shop, env: 'production' } };
    await expect(serve({ CUJ_GATE_ENVIRONMENT: 'us' }, { ...plain, services, cujs })).rejects.toThrow(
      RegistryRefused,
    );
  });
});

it('a registry without environments takes no parameter environment, and shows no label', async () => {
  const { environments: _, ...plain } = document;
  const cujs = document.cujs.map(({ environments: __, ...cuj }) => cuj);
  const { gate, get } = await serve(
    {},
    { ...plain, services: { shop: { ...document.services.shop, env: 'production' } }, cujs },
  );
  const { statusCode, body } = await get(`${question}&environment=us`);
  expect([statusCode, body.detail]).toEqual([400, 'Unknown parameter "environment".']);
  expect((await get(question)).body).not.toHaveProperty('environment');
  expect((await gate.app.inject({ url: '/metrics' })).body).not.toContain('environment=');
});
