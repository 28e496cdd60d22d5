import { describe, expect, it } from 'vitest';
import { ask, question, startGate } from './gate.ts';
import { Issuer, keyPair } from './issuer.ts';

const now = Date.now;
const bearer = (token: string, accept?: string) => ({
  headers: { authorization: `Bearer ${token}`, ...(accept === undefined ? {} : { accept }) },
});

/** A gate that takes Argo's tokens of one issuer, and people's of another. */
async function twoIssuers(more: Record<string, string> = {}) {
  const [argo, people] = await Promise.all([Issuer.start(now), Issuer.start(now)]);
  const gate = await startGate({
    CUJ_GATE_AUTH_OIDC_ISSUER: argo.url,
    CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
    CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: people.url,
    CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: 'pages',
    ...more,
  });
  return { argo, people, gate, status: statusAt(gate.url) };
}

const statusAt = (url: string) => async (token: string) => (await ask(url + question, bearer(token))).status;

describe('two issuers side by side', () => {
  it('each have their callers, and the same subject of both is two callers', async () => {
    const { argo, people, gate, status } = await twoIssuers({ CUJ_GATE_RATE_LIMIT: '1' });
    const subject = { sub: 'same' };
    expect(await status(await argo.token(subject))).toBe(200);
    expect(await status(await people.token({ ...subject, aud: 'pages' }))).toBe(200);
    expect((await gate.logged('verdict', 1)).caller).toBe('oidc:same');
    const second = await gate.logged('verdict', 2);
    // Each of them may ask once a minute: the second question is not over the limit of the first.
    expect(second).toMatchObject({ caller: 'browser:same', verdict: 'pass' });
  });

  it("refuse a token for the other's audience, and say in the log alone which they take", async () => {
    const { argo, people, gate, status } = await twoIssuers();
    expect(await status(await argo.token({ aud: 'pages' }))).toBe(401);
    const answer = await ask(gate.url + question, bearer(await people.token({ aud: 'cuj-gate' })));
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.text).detail).toBe(
      'The claim "aud" of the token does not have the required value.',
    );
    expect(answer.text).not.toContain('pages');
    expect(await gate.logged('caller turned away')).toMatchObject({
      claim: { name: 'aud', expected: 'cuj-gate', received: 'pages' },
    });
  });

  it('refuse a token of a third one without asking anybody for its key, and name both in the log', async () => {
    const { argo, people, gate, status } = await twoIssuers();
    await gate.logged('issuer keys fetched', 2);
    const third = await Issuer.start(now);
    expect(await status(await third.token())).toBe(401);
    expect([argo.fetches, people.fetches, third.fetches]).toEqual([1, 1, 0]);
    expect(await gate.logged('caller turned away')).toMatchObject({
      claim: { name: 'iss', expected: `${argo.url} or ${people.url}`, received: third.url },
    });
  });

  it.each([
    ['no issuer', { iss: undefined }, 'The token has no claim "iss".'],
    ['no audience', { aud: undefined }, 'The token has no claim "aud".'],
  ])('refuse a token with %s', async (_, claims, detail) => {
    const { argo, gate } = await twoIssuers();
    const answer = await ask(gate.url + question, bearer(await argo.token(claims)));
    expect([answer.status, JSON.parse(answer.text).detail]).toEqual([401, detail]);
  });

  it("refuse a token that is signed by the other's key, whatever it says of itself", async () => {
    const { argo, people, status } = await twoIssuers();
    const [key] = argo.keys;
    if (key === undefined) throw new Error('the issuer has no key');
    expect(await status(await people.token({ aud: 'pages' }, key))).toBe(401);
    expect(await status(await people.token({ aud: 'pages', iss: argo.url }))).toBe(401);
    expect(await status(await people.token({ aud: 'pages' }, await keyPair('first')))).toBe(401);
  });

  it('refuse what only looks like a JWT', async () => {
    const { status } = await twoIssuers();
    for (const token of [
      'eyJhbGciOiJFUzI1NiJ9.bm90LWpzb24.c2ln',
      'eyJ.e30.',
      'eyJhbGciOiJFUzI1NiJ9.bnVsbA.c2ln',
    ])
      expect(await status(token)).toBe(401);
  });

  it("ask for a claim of people's tokens alone", async () => {
    const { argo, people, status } = await twoIssuers({
      CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM: 'groups=developers',
    });
    expect(await status(await argo.token())).toBe(200);
    expect(await status(await people.token({ aud: 'pages' }))).toBe(401);
    expect(await status(await people.token({ aud: 'pages', groups: ['developers'] }))).toBe(200);
  });

  it('do not depend on each other: while one is down, callers of the other are answered', async () => {
    const argo = await Issuer.start(now);
    const people = await Issuer.start(now);
    people.broken = 503;
    const gate = await startGate({
      CUJ_GATE_AUTH_OIDC_ISSUER: argo.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
      CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: people.url,
      CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: 'pages',
    });
    expect(await gate.logged('issuer keys fetch failed')).toMatchObject({ issuer: people.url });
    const verdict = await ask(gate.url + question, bearer(await argo.token()));
    expect(JSON.parse(verdict.text)).toMatchObject({ verdict: 'pass' });

    const person = bearer(await people.token({ aud: 'pages' }), 'text/html');
    const page = await ask(gate.url + question, person);
    // A person is shown an error. A rollout with the same token would get an inconclusive verdict.
    expect(page.status).toBe(503);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    const asked = await ask(gate.url + question, bearer(await people.token({ aud: 'pages' })));
    expect(asked.status).toBe(200);
    expect(JSON.parse(asked.text)).toMatchObject({ reason: 'auth_unavailable' });
  });

  it('may be one issuer with two audiences, whose keys are fetched once', async () => {
    const issuer = await Issuer.start(now);
    const gate = await startGate({
      CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
      CUJ_GATE_AUTH_OIDC_CLAIM: 'scope=cujs:read',
      CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: 'pages',
    });
    const callerOf = async (claims: object) => {
      const { status } = await ask(gate.url + question, bearer(await issuer.token({ ...claims })));
      return status === 200 ? gate.lines.findLast(({ msg }) => msg === 'verdict')?.caller : status;
    };
    expect(await callerOf({ scope: 'cujs:read' })).toBe('oidc:argo-rollouts');
    expect(await callerOf({ aud: 'pages', sub: 'ada' })).toBe('browser:ada');
    expect(await callerOf({ aud: 'other' })).toBe(401);
    // A token for both is Argo's where it has Argo's claim, and a person's where it has not.
    expect(await callerOf({ aud: ['pages', 'cuj-gate'], scope: 'cujs:read' })).toBe('oidc:argo-rollouts');
    expect(await callerOf({ aud: ['pages', 'cuj-gate'] })).toBe('browser:argo-rollouts');
    expect(issuer.fetches).toBe(1);
  });

  it('are not held up by a fetch of keys when the gate ends', async () => {
    const { gate } = await twoIssuers();
    await gate.close();
    expect(gate.lines.map((line) => line.msg)).not.toContain('issuer keys fetch failed');
  });
});

describe('a person whose token is not accepted', () => {
  it.each([
    ['without one', undefined],
    ['with one of another audience', 'wiki'],
  ])('%s is told to sign in, not to send a header', async (_, aud) => {
    const { people, gate } = await twoIssuers();
    const headers = {
      accept: 'text/html',
      ...(aud === undefined ? {} : { authorization: `Bearer ${await people.token({ aud })}` }),
    };
    const { status, text } = await ask(gate.url + question, { headers });
    expect(status).toBe(401);
    expect(text).toContain('where a proxy signs you in');
    expect(text).not.toContain('Authorization: Bearer');
  });
});

describe('a person above the rate limit', () => {
  it('gets an error page, and Argo an inconclusive verdict', async () => {
    const { people, gate } = await twoIssuers({ CUJ_GATE_RATE_LIMIT: '1' });
    const token = await people.token({ aud: 'pages' });
    expect((await ask(gate.url + question, bearer(token))).status).toBe(200);
    const page = await ask(gate.url + question, bearer(token, 'text/html'));
    expect([page.status, page.headers['content-type']]).toEqual([429, 'text/html; charset=utf-8']);
    const verdict = await ask(gate.url + question, bearer(token));
    expect(JSON.parse(verdict.text)).toMatchObject({ reason: 'gate_overloaded' });
  });
});
