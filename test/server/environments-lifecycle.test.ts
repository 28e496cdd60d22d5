import { describe, expect, it } from 'vitest';
import { clustersDocument, serve } from './clusters.ts';

const [buy] = clustersDocument.cujs;
const why = 'since 2026-03-01: merged into order';

/** `buy` is called `order` now, and `pay` is retired. */
const registry = {
  ...clustersDocument,
  cujs: [
    { ...buy, name: 'order', aliases: ['buy'] },
    {
      name: 'pay',
      owner: 'team-pay',
      retired: why,
      aliases: ['settle'],
      environments: { staging: { mode: 'observe' } },
    },
  ],
};
const params = 'version=v2&window=10m';

describe('an alias, asked in one of several environments', () => {
  it('is judged by the traffic of that environment, as the name is', async () => {
    const { get } = await serve({}, registry);
    for (const [environment, verdict] of [
      ['eu', 'pass'],
      ['us', 'fail'],
    ]) {
      const { body: present } = await get(`/cujs/order/status?${params}&environment=${environment}`);
      expect(present).toMatchObject({ cuj: 'order', environment, verdict });
      const { body } = await get(`/cujs/buy/status?${params}&environment=${environment}`);
      expect(body).toEqual({ ...present, askedAs: 'buy', aliasNote: expect.stringContaining('"order" now') });
      expect(body.link).toContain(`?environment=${environment}`);
    }
  });

  it('names no environment by itself', async () => {
    const { get } = await serve({}, registry);
    expect((await get(`/cujs/buy/status?${params}`)).statusCode).toBe(400);
    expect((await get(`/cujs/pay/status?${params}`)).statusCode).toBe(400);
  });

  it('is counted in that environment, and from 0 on in the others', async () => {
    const { gate, get } = await serve({}, registry);
    await get(`/cujs/buy/status?${params}&environment=us`);
    await get(`/cujs/settle/status?${params}&environment=eu`);
    const { body } = await gate.app.inject({ url: '/metrics' });
    const counts = [...body.matchAll(/^cuj_gate_outdated_requests_total(\{.*\} \d+)$/gm)].map(([, of]) => of);
    const of = (environment: string, cuj: string, as: string, kind: string, count: number) =>
      `{environment="${environment}",cuj="${cuj}",asked_as="${as}",kind="${kind}"} ${count}`;
    expect(counts.sort()).toEqual(
      ['eu', 'us', 'staging']
        .flatMap((environment) => [
          of(environment, 'pay', 'pay', 'retired', 0),
          of(environment, 'pay', 'settle', 'retired', environment === 'eu' ? 1 : 0),
          of(environment, 'order', 'buy', 'alias', environment === 'us' ? 1 : 0),
        ])
        .sort(),
    );
    // The series of the verdict on a retired CUJ stays, although it has no service.
    expect(body).toMatch(
      /cuj_gate_verdicts_total\{environment="eu",cuj="pay",service="",.*reason="retired"\} 1/,
    );
  });

  it('is a gate of one environment with its label, whether the request names it or not', async () => {
    const { gate, get } = await serve({ CUJ_GATE_ENVIRONMENT: 'us' }, registry);
    expect((await get(`/cujs/buy/status?${params}`)).body).toMatchObject({ cuj: 'order', environment: 'us' });
    const { body } = await gate.app.inject({ url: '/metrics' });
    const series = body.match(/^cuj_gate_outdated_requests_total\{.*asked_as="buy".*$/gm);
    expect(series).toEqual([
      'cuj_gate_outdated_requests_total{environment="us",cuj="order",asked_as="buy",kind="alias"} 1',
    ]);
  });
});

describe('a retired CUJ, asked in one of several environments', () => {
  it('answers with its reason, the environment, and the mode that it has there', async () => {
    const { get } = await serve({}, registry);
    for (const name of ['pay', 'settle']) {
      const { body } = await get(`/cujs/${name}/status?${params}&environment=eu`);
      expect(body).toMatchObject({
        verdict: 'inconclusive',
        reason: 'retired',
        environment: 'eu',
        mode: 'enforce',
      });
      expect(body.canary).toBe('version=v2');
    }
    const { body: staging } = await get(`/cujs/pay/status?${params}&environment=staging`);
    expect(staging).toMatchObject({ verdict: 'pass', environment: 'staging', mode: 'observe' });
  });

  it('is in the list and has an entry, with links that stay in the environment', async () => {
    const { get } = await serve({}, registry);
    const { body: list } = await get('/cujs?environment=eu');
    expect(list).toMatchObject({
      environment: 'eu',
      cujs: [{ name: 'order', url: '/cujs/order?environment=eu' }],
      retired: [{ name: 'pay', retired: why }],
    });
    const { body: entry } = await get('/cujs/settle?environment=eu');
    expect(entry).toMatchObject({ name: 'pay', askedAs: 'settle', environment: 'eu' });
    expect((await get(entry.url)).body).toMatchObject({ reason: 'retired', environment: 'eu' });
    expect((await get('/cujs/buy?environment=us')).body).toMatchObject({
      name: 'order',
      askedAs: 'buy',
      environment: 'us',
    });
  });

  it('has pages whose commands ask in the environment, and links that a browser is led on by', async () => {
    const { page } = await serve({}, registry);
    for (const url of [`/cujs/pay?environment=eu`, `/cujs/pay/status?${params}&environment=eu`]) {
      const { statusCode, body } = await page(url);
      expect(statusCode).toBe(200);
      expect(body).toContain('merged into order');
      for (const [, query] of body.matchAll(/gate\.example\.com\/base\/cujs\/pay\/status([^'"<\s]*)/g))
        expect(query).toContain('environment=eu');
    }
    expect(await page('/v/buy/v2?environment=us')).toMatchObject({
      statusCode: 302,
      location: '/base/cujs/buy/status?version=v2&environment=us',
    });
    expect((await page('/v/pay/v2?environment=us')).location).toContain('environment=us');
    expect((await page(`/cujs/buy/status?${params}&environment=us`)).body).toContain('is an alias');
  });
});
