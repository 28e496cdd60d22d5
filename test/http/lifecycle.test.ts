import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VerdictHistory } from '../../src/domain/ports/verdict-history.ts';
import type { AnyCujDocument } from '../../src/domain/registry/schema.ts';
import { type Bench, bench, broken, document, healthy, nowMs, registryOf, snapshotOf } from './fixture.ts';
import { keptHistory } from './kept-history.ts';

const why = 'since 2026-01-30: merged into signup';
const html = { accept: 'text/html' };
const cujs = document.cujs ?? [];
const renamed = cujs.map((cuj) =>
  cuj.name === 'signup' ? { ...cuj, name: 'join', aliases: ['signup', 'register'] } : cuj,
);
const retiredPay: AnyCujDocument = { name: 'pay', owner: 'team-payment', retired: why, aliases: ['buy'] };
const withRetired = (pay: AnyCujDocument = retiredPay) => cujs.map((cuj) => (cuj.name === 'pay' ? pay : cuj));

function use({ world }: Pick<Bench, 'world'>, changed: AnyCujDocument[]): void {
  const registry = registryOf({ ...document, cujs: changed });
  world.registry = world.registry && { ...world.registry, registry };
}

async function gate(changed: AnyCujDocument[], options: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const made = await bench(options);
  use(made, changed);
  return made;
}

describe('a CUJ that was renamed', () => {
  it('answers by each alias as by its name, and says so', async () => {
    const made = await gate(renamed);
    made.world.measure = async (query) => snapshotOf(query, broken, healthy);
    const present = (await made.app.inject('/cujs/join/status?version=v2')).json();
    expect(present).toMatchObject({ cuj: 'join', verdict: 'fail' });
    expect(present).not.toHaveProperty('askedAs');
    for (const alias of ['signup', 'register']) {
      const answer = (await made.app.inject(`/cujs/${alias}/status?version=v2`)).json();
      expect(answer).toEqual({
        ...present,
        askedAs: alias,
        aliasNote: `"${alias}" is an alias: the CUJ is called "join" now. Generate the templates again, so that they ask by this name.`,
      });
    }
    // What Argo reads is the same.
    expect(present.summary).toMatch(/^FAIL join \(slo_violated\)/);
  });

  it('is counted and logged under its present name, with the alias', async () => {
    const { app, metric, log } = await gate(renamed);
    const outdated = (alias: string) =>
      metric(`cuj_gate_outdated_requests_total{cuj="join",asked_as="${alias}",kind="alias"}`);
    expect(await outdated('signup')).toBe(0);
    await app.inject('/cujs/signup/status?version=v2');
    await app.inject('/cujs/signup/status?version=v2');
    await app.inject('/cujs/join/status?version=v2');
    expect(await outdated('signup')).toBe(2);
    expect(await outdated('register')).toBe(0);
    expect(
      await metric(
        'cuj_gate_verdicts_total{cuj="join",service="member-api",verdict="pass",reason="within_slo"}',
      ),
    ).toBe(3);
    const lines = log.filter(({ msg }) => msg === 'verdict');
    expect(lines.map(({ cuj, askedAs }) => [cuj, askedAs])).toEqual([
      ['join', 'signup'],
      ['join', 'signup'],
      ['join', undefined],
    ]);
  });

  it('loses its series once the alias is removed, and begins at 0 if it comes back', async () => {
    const made = await gate(renamed);
    await made.app.inject('/cujs/signup/status?version=v2');
    const line = 'cuj_gate_outdated_requests_total{cuj="join",asked_as="signup",kind="alias"}';
    use(
      made,
      renamed.map(({ aliases: _, ...cuj }) => cuj),
    );
    expect(await made.metric(line)).toBeUndefined();
    use(made, renamed);
    expect(await made.metric(line)).toBe(0);
  });

  it('is still unknown by any other name', async () => {
    const { app } = await gate(renamed);
    const answer = await app.inject('/cujs/sign-in/status?version=v2');
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ code: 'cuj_not_found' });
  });

  it('has one entry in the list, and an entry and pages by its alias', async () => {
    const { app } = await gate(renamed, { pages: { basePath: '', links: () => [] } });
    const list = (await app.inject('/cujs')).json();
    expect(list.cujs.map(({ name }: { name: string }) => name)).toEqual(['login', 'join', 'browse', 'pay']);
    expect(list.cujs[1].aliases).toEqual(['signup', 'register']);
    expect((await app.inject('/cujs/signup')).json()).toMatchObject({ name: 'join', askedAs: 'signup' });
    for (const url of ['/cujs/signup/status?version=v2', '/cujs/signup']) {
      const { statusCode, body } = await app.inject({ url, headers: html });
      expect(statusCode).toBe(200);
      expect(body).toContain('&quot;signup&quot; is an alias: the CUJ is called &quot;join&quot; now.');
    }
  });

  it('keeps the answer about a moment in the past apart, with its alias', async () => {
    const { app } = await gate(renamed, { allowUnauthenticatedPast: true });
    const { body } = await app.inject('/cujs/signup/status?version=v2&at=2026-01-31T08:30:00Z');
    expect(JSON.parse(body).recomputed).toMatchObject({ cuj: 'join', askedAs: 'signup' });
  });
});

describe('a retired CUJ', () => {
  it('answers inconclusive with its reason, whatever is sent, and asks no backend', async () => {
    const { app, world } = await gate(withRetired());
    world.measure = async () => {
      throw new Error('the backend must not be asked');
    };
    for (const url of [
      '/cujs/pay/status?role=canary',
      '/cujs/pay/status?role=',
      '/cujs/pay/status?version=v2&service=gone&window=5m&since=1769849990',
    ]) {
      const answer = await app.inject({ url, headers: { 'x-canary-stable-version': 'v1' } });
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toMatchObject({
        summary: `INCONCLUSIVE pay (retired): ${why}`,
        verdict: 'inconclusive',
        ok: false,
        reason: 'retired',
        cuj: 'pay',
        owner: 'team-payment',
        services: [],
        slis: [],
      });
    }
    const answer = (await app.inject({ url: '/cujs/buy/status?role=canary&explain', headers: {} })).json();
    expect(answer).toMatchObject({
      cuj: 'pay',
      reason: 'retired',
      askedAs: 'buy',
      canary: 'role=canary',
      queries: [],
    });
  });

  it('passes in mode observe, as it did before', async () => {
    const { app } = await gate(withRetired({ ...retiredPay, mode: 'observe' }));
    expect((await app.inject('/cujs/pay/status?role=canary')).json()).toMatchObject({
      verdict: 'pass',
      reason: 'observe_only',
      wouldBe: { verdict: 'inconclusive', reason: 'retired' },
    });
  });

  it('still refuses what cannot be read', async () => {
    const { app } = await gate(withRetired());
    expect((await app.inject('/cujs/pay/status?role=a&role=b')).statusCode).toBe(400);
    expect((await app.inject('/cujs/pay/status?pretty=maybe')).statusCode).toBe(400);
  });

  it('is no part of the verdict on its service', async () => {
    const retired = cujs.map((cuj) => (cuj.name === 'signup' ? { ...cuj, retired: why } : cuj));
    const { app } = await gate(retired);
    const verdict = (await app.inject('/services/member-api/status?version=v2')).json();
    expect(verdict).toMatchObject({ verdict: 'pass' });
    expect(verdict.cujs.map(({ cuj }: { cuj: string }) => cuj)).toEqual(['login', 'browse']);
  });

  it('is listed apart, with its reason', async () => {
    const { app } = await gate(withRetired());
    const list = (await app.inject('/cujs?limit=2')).json();
    expect(list).toMatchObject({
      summary: '3 CUJs over 1 services, and 1 retired; 2 of them here',
      retired: [{ name: 'pay', retired: why, owner: 'team-payment', aliases: ['buy'] }],
    });
    expect((await app.inject(list.next)).json()).not.toHaveProperty('retired');
    expect((await app.inject('/cujs/buy')).json()).toMatchObject({
      name: 'pay',
      retired: why,
      askedAs: 'buy',
    });
  });

  it('is counted by every name that it answers to', async () => {
    const { app, metric } = await gate(withRetired());
    await app.inject('/cujs/pay/status?role=canary');
    await app.inject('/cujs/buy/status?role=canary');
    const outdated = (name: string) =>
      metric(`cuj_gate_outdated_requests_total{cuj="pay",asked_as="${name}",kind="retired"}`);
    expect(await outdated('pay')).toBe(1);
    expect(await outdated('buy')).toBe(1);
    expect(
      await metric('cuj_gate_verdicts_total{cuj="pay",service="",verdict="inconclusive",reason="retired"}'),
    ).toBe(2);
  });

  it('has pages that say why, and what to do about a paused rollout', async () => {
    const { app } = await gate(withRetired(), {
      pages: { basePath: '', links: () => [] },
    });
    for (const url of ['/cujs/pay/status?role=canary', '/cujs/pay', '/cujs/buy/status']) {
      const { statusCode, body } = await app.inject({ url, headers: html });
      expect(statusCode).toBe(200);
      expect(body).toContain('<title>Retired: pay</title>');
      expect(body).toContain('Since 2026-01-30: merged into signup.');
      expect(body).toContain('kubectl argo rollouts promote NAME');
    }
    const start = await app.inject({ url: '/', headers: html });
    expect(start.body).not.toContain('/cujs/pay');
  });

  it('has a link that leads to its page, also where the gate can show the past', async () => {
    const { app } = await gate(withRetired(), {
      allowUnauthenticatedPast: true,
      pages: { basePath: '', publicUrl: 'https://gate.example.com', links: () => [] },
    });
    const { link } = (await app.inject('/cujs/pay/status?role=canary')).json();
    expect(link).toBe('https://gate.example.com/v/pay/role=canary');
    const { headers } = await app.inject({ url: '/v/pay/role=canary', headers: html });
    expect(headers.location).toBe('/cujs/pay/status?role=canary');
  });

  it('is recomputed as retired for a moment in the past', async () => {
    const { app } = await gate(withRetired(), { allowUnauthenticatedPast: true });
    const { body } = await app.inject('/cujs/pay/status?role=canary&at=2026-01-31T08:30:00Z');
    expect(JSON.parse(body).recomputed).toMatchObject({ reason: 'retired' });
    const page = await app.inject({
      url: '/cujs/pay/status?role=canary&at=2026-01-31T08:30:00Z',
      headers: html,
    });
    expect(page.body).toContain('<title>Retired: pay</title>');
  });
});

describe('the history', () => {
  let history: VerdictHistory;
  let end: () => Promise<void>;
  const clock = { nowMs };

  beforeEach(() => {
    clock.nowMs = nowMs;
    ({ history, end } = keptHistory(() => clock.nowMs));
  });

  afterEach(() => end());

  async function kept(changes: number): Promise<readonly { about: { name: string } }[]> {
    const read = async () => {
      const found = await history.changes({ fromMs: 0, toMs: clock.nowMs, max: 100 });
      return found.available ? found.value.changes : [];
    };
    await expect.poll(async () => (await read()).length).toBe(changes);
    return read();
  }

  const question = '/cujs/signup/status?version=v2';
  const at = new Date(nowMs).toISOString();

  /** A gate that said FAIL about signup before the registry changed. */
  async function afterFail(changed: AnyCujDocument[]): Promise<Bench> {
    const made = await bench({ history, pages: { basePath: '', links: () => [] } }, 'uncached');
    made.world.measure = async (query) => snapshotOf(query, broken, healthy);
    await made.app.inject(question);
    await kept(1);
    clock.nowMs += 10 * 60_000;
    made.world.nowMs = clock.nowMs;
    use(made, changed);
    return made;
  }

  it('has a renamed CUJ under its present name, and pages find what was given before', async () => {
    const { app } = await afterFail(renamed);
    await app.inject(question);
    expect((await kept(2)).map(({ about }) => about.name).sort()).toEqual(['join', 'signup']);
    for (const name of ['signup', 'join']) {
      const { body } = await app.inject({ url: `/cujs/${name}/status?version=v2&at=${at}`, headers: html });
      expect(body).toContain('<strong>As given</strong>');
      expect(body).toContain('<title>FAIL signup, version:v2</title>');
    }
    const page = await app.inject({ url: '/cujs/join', headers: html });
    expect(page.body).toContain('href="/cujs/signup/status?version=v2"');
    const start = await app.inject({ url: '/', headers: html });
    expect(start.body).toContain('href="/cujs/join/status?version=v2"');
    expect(start.body).not.toContain('href="/cujs/signup/status');
  });

  it('has nothing new of a retired CUJ, and pages show what was given before', async () => {
    const retired = cujs.map((cuj) => (cuj.name === 'signup' ? { ...cuj, retired: why } : cuj));
    const { app } = await afterFail(retired);
    await app.inject(question);
    const { body } = await app.inject({ url: `${question}&at=${at}`, headers: html });
    expect(body).toContain('<title>FAIL signup, version:v2</title>');
    const start = await app.inject({ url: '/', headers: html });
    expect(start.body).not.toContain('/cujs/signup/status');
    await kept(1);
  });
});
