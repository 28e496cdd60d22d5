import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Authenticator, Identification } from '../../src/domain/ports/authenticator.ts';
import { bench } from './fixture.ts';

const good = 'a-good-token-0123456789';
const login = '/cujs/login/status?version=v2';
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Knows one token; `later` answers as the verifier of JWTs does. */
function authenticator(found?: Identification, later = false): Authenticator {
  return {
    identify(token) {
      const of: Identification =
        found ??
        (token === good
          ? { outcome: 'known', caller: 'token:argo' }
          : { outcome: 'refused', detail: 'The token is unknown.' });
      return later ? Promise.resolve(of) : of;
    },
  };
}

const unavailable: Identification = {
  outcome: 'unavailable',
  message: "the keys to verify the caller's token are not available",
  hint: 'Look at the issuer.',
};

const guarded = [
  login,
  '/services/member-api/status?version=v2',
  '/cujs',
  '/cujs/login',
  '/cujs/no-such-cuj',
  '/cujs/no-such-cuj/status',
  '/registry',
  '/openapi.json',
];

describe('a gate that asks for tokens', () => {
  it.each(guarded)('answers %s with 401 and a problem document without one', async (url) => {
    const { app } = await bench({ authenticator: authenticator() });
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(401);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'www-authenticate': 'Bearer realm="cuj-gate"',
    });
    expect(answer.json()).toMatchObject({ code: 'unauthorized', detail: 'The request has no bearer token.' });
  });

  it.each(guarded)('does not tell a caller with a wrong token what is at %s', async (url) => {
    const { app } = await bench({ authenticator: authenticator() });
    const answer = await app.inject({ url, headers: bearer('wrong-token-0123456789') });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="cuj-gate", error="invalid_token", error_description="The token is unknown."',
    );
    expect(answer.body).not.toMatch(/login|signup|member-api|team-/);
  });

  it.each(['/healthz', '/readyz', '/metrics'])('answers %s to everybody', async (url) => {
    const { app } = await bench({ authenticator: authenticator() });
    expect((await app.inject(url)).statusCode).toBe(200);
  });

  it('keeps /metrics to itself where that is asked for, and never the probes', async () => {
    const { app } = await bench({ authenticator: authenticator(), authenticateMetrics: true });
    const status = async (url: string, headers = {}) => (await app.inject({ url, headers })).statusCode;
    expect([
      await status('/metrics'),
      await status('/metrics', bearer(good)),
      await status('/healthz'),
      await status('/readyz'),
    ]).toEqual([401, 200, 200, 200]);
  });

  it.each([
    ['as RFC 6750 writes it', `Bearer ${good}`, 200],
    ['with the scheme in lower case', `bearer ${good}`, 200],
    ['with spaces around', `Bearer   ${good} `, 200],
    ['without the scheme', good, 401],
    ['with another scheme', `Basic ${good}`, 401],
    ['with more than a token', `Bearer ${good} more`, 401],
    ['with nothing after the scheme', 'Bearer ', 401],
  ])('takes a header %s for what it is', async (_, authorization, status) => {
    const { app } = await bench({ authenticator: authenticator() });
    expect((await app.inject({ url: login, headers: { authorization } })).statusCode).toBe(status);
  });

  it.each([true, false])('answers known callers, at once or after a while: %s', async (later) => {
    const { app } = await bench({ authenticator: authenticator(undefined, later) });
    const answer = await app.inject({ url: login, headers: bearer(good) });
    expect(answer.json()).toMatchObject({ verdict: 'pass' });
    expect((await app.inject({ url: login, headers: bearer('another') })).statusCode).toBe(401);
  });

  it('answers HEAD as it answers GET', async () => {
    const { app } = await bench({ authenticator: authenticator() });
    expect((await app.inject({ method: 'HEAD', url: '/cujs' })).statusCode).toBe(401);
  });

  it('logs who asked with the verdict, and the token nowhere', async () => {
    const { app, log } = await bench({ authenticator: authenticator() });
    await app.inject({ url: login, headers: bearer(good) });
    await app.inject({ url: login, headers: bearer('wrong-token-0123456789') });
    expect(log.find((line) => line.msg === 'verdict')).toMatchObject({ caller: 'token:argo', cuj: 'login' });
    expect(JSON.stringify(log)).not.toMatch(/a-good-token|wrong-token/);
  });

  it('logs whom it turns away and why, once every 10 s with the number of the others', async () => {
    const { app, log, world } = await bench({ authenticator: authenticator() });
    const refusals = () => log.filter((line) => line.msg === 'caller turned away');
    for (let i = 0; i < 4; i += 1) await app.inject({ url: login, headers: bearer('x') });
    expect(refusals()).toEqual([
      expect.objectContaining({
        level: 40,
        route: '/cujs/:name/status',
        address: '127.0.0.1',
        code: 'unauthorized',
        detail: 'The token is unknown.',
        suppressed: 0,
      }),
    ]);
    world.nowMs += 10_000;
    await app.inject(login);
    expect(refusals()[1]).toMatchObject({ detail: 'The request has no bearer token.', suppressed: 3 });
  });

  it('logs what a claim should have been, and tells the caller nothing of it', async () => {
    const claim = { name: 'aud', expected: 'cuj-gate', received: 'cuj-gat' };
    const refused: Identification = { outcome: 'refused', detail: 'The claim "aud" is wrong.', claim };
    const { app, log } = await bench({ authenticator: authenticator(refused) });
    const { body, headers } = await app.inject({ url: login, headers: bearer('x') });
    expect(log.find((line) => line.msg === 'caller turned away')).toMatchObject({ claim });
    expect(body + JSON.stringify(headers)).not.toContain('cuj-gat"');
  });

  it('counts whom it turns away by the status in its metric', async () => {
    const { app, metric } = await bench({ authenticator: authenticator() });
    await app.inject(login);
    const counted =
      'cuj_gate_http_request_duration_seconds_count{route="/cujs/:name/status",method="GET",code="401"}';
    expect(await metric(counted)).toBe(1);
  });

  it('describes the token that it asks for, and what is open', async () => {
    const { app } = await bench({ authenticator: authenticator() });
    const document = (await app.inject({ url: '/openapi.json', headers: bearer(good) })).json();
    expect(document.components.securitySchemes).toEqual({ bearer: { type: 'http', scheme: 'bearer' } });
    expect(document.security).toEqual([{ bearer: [] }]);
    const open = Object.entries(document.paths as Record<string, { get: { security?: unknown[] } }>)
      .filter(([, { get }]) => get.security?.length === 0)
      .map(([path]) => path);
    expect(open.sort()).toEqual(['/healthz', '/metrics', '/readyz']);
  });

  it('describes none where it asks for none', async () => {
    const { app } = await bench();
    expect((await app.inject('/openapi.json')).json()).not.toHaveProperty('security');
  });
});

describe('a gate that cannot verify tokens at the moment', () => {
  it.each([
    '/cujs/login/status?version=v2',
    '/cujs/login/status',
    '/cujs/no-such/status',
    '/services/member-api/status',
  ])('answers %s inconclusive, with nothing of the registry', async (url) => {
    const { app, world, metric } = await bench({ authenticator: authenticator(unavailable, true) });
    world.measure = () => Promise.reject(new Error('measured'));
    const answer = await app.inject({ url, headers: bearer(good) });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      summary:
        "INCONCLUSIVE nothing judged (auth_unavailable): the keys to verify the caller's token are not available",
      verdict: 'inconclusive',
      ok: false,
      reason: 'auth_unavailable',
      hint: 'Look at the issuer.',
    });
    const labels = 'cuj="*",service="*",verdict="inconclusive",reason="auth_unavailable"';
    expect(await metric(`cuj_gate_verdicts_total{${labels}}`)).toBe(1);
  });

  it.each(['/cujs', '/cujs/login', '/registry', '/openapi.json'])('answers %s with 503', async (url) => {
    const { app } = await bench({ authenticator: authenticator(unavailable) });
    const answer = await app.inject({ url, headers: bearer(good) });
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.json()).toMatchObject({ code: 'auth_unavailable', hint: 'Look at the issuer.' });
  });

  it('logs that it cannot, as a verdict and as a warning', async () => {
    const { app, log } = await bench({ authenticator: authenticator(unavailable) });
    await app.inject({ url: login, headers: bearer(good) });
    expect(log).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ msg: 'verdict', verdict: 'inconclusive', reason: 'auth_unavailable' }),
        expect.objectContaining({ msg: 'caller turned away', code: 'auth_unavailable' }),
      ]),
    );
  });

  it('still turns away who has no token at all', async () => {
    const { app } = await bench({ authenticator: authenticator(unavailable) });
    expect((await app.inject(login)).statusCode).toBe(401);
  });

  it('takes what finding out took off the time for the question itself', async () => {
    const real = performance.now.bind(performance);
    let aheadMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + aheadMs);
    onTestFinished(() => clock.mockRestore());
    const { app, world } = await bench({
      authenticator: {
        identify() {
          aheadMs += 2_000;
          return Promise.resolve({ outcome: 'known', caller: 'oidc:argo' });
        },
      },
    });
    let first: number | undefined;
    world.measure = () => {
      first = world.timers[0]?.ms;
      return Promise.reject(new Error('enough'));
    };
    await app.inject({ url: login, headers: bearer(good) });
    // 8 s less the grace of 250 ms, less what was waited.
    expect(first).toBeLessThanOrEqual(5_750);
    expect(first).toBeGreaterThan(5_000);
  });

  it('turns a failure of its own into a 500, never into a verdict', async () => {
    const { app } = await bench({
      authenticator: { identify: () => Promise.reject(new Error('a fault')) },
    });
    expect((await app.inject({ url: login, headers: bearer(good) })).statusCode).toBe(500);
  });
});

describe('a rate limit', () => {
  function limited(perMinute: number, auth = true) {
    const clock = { ms: 0 };
    const options = {
      rateLimitPerMinute: perMinute,
      monotonicMs: () => clock.ms,
      ...(auth ? { authenticator: authenticatorOfMany } : {}),
    };
    return { clock, gate: bench(options) };
  }
  const authenticatorOfMany: Authenticator = {
    identify: (token) => ({ outcome: 'known', caller: `token:${token}` }),
  };

  it('answers questions beyond it inconclusive, without measuring and without an error', async () => {
    const { clock, gate } = limited(2);
    const { app, world, log } = await gate;
    for (let i = 0; i < 2; i += 1) {
      expect((await app.inject({ url: login, headers: bearer('argo') })).json()).toMatchObject({
        verdict: 'pass',
      });
    }
    world.measure = () => Promise.reject(new Error('measured'));
    const beyond = await app.inject({ url: '/cujs/signup/status?version=v3', headers: bearer('argo') });
    expect(beyond.statusCode).toBe(200);
    expect(beyond.json()).toMatchObject({
      verdict: 'inconclusive',
      ok: false,
      reason: 'gate_overloaded',
      cuj: 'signup',
    });
    expect(beyond.json().summary).toContain('the caller sent more than 2 requests in a minute');
    expect(log.find((line) => line.msg === 'caller turned away')).toMatchObject({
      code: 'rate_limited',
      caller: 'token:argo',
    });
    clock.ms += 30_000;
    expect((await app.inject({ url: login, headers: bearer('argo') })).json()).toMatchObject({
      verdict: 'pass',
    });
  });

  it('answers the question about a service so too', async () => {
    const { app } = await limited(1).gate;
    await app.inject({ url: '/cujs', headers: bearer('argo') });
    const answer = await app.inject({
      url: '/services/member-api/status?version=v2',
      headers: bearer('argo'),
    });
    expect(answer.json()).toMatchObject({ verdict: 'inconclusive', reason: 'gate_overloaded' });
  });

  it('still refuses misuse beyond it: a question that is wrong is never answered', async () => {
    const { app } = await limited(1).gate;
    await app.inject({ url: '/cujs', headers: bearer('argo') });
    const status = async (url: string) => (await app.inject({ url, headers: bearer('argo') })).statusCode;
    expect([await status('/cujs/login/status'), await status('/cujs/none/status')]).toEqual([400, 404]);
  });

  it('answers other routes beyond it with 429 and when to come again', async () => {
    const { app } = await limited(1).gate;
    await app.inject({ url: '/cujs', headers: bearer('argo') });
    const answer = await app.inject({ url: '/cujs', headers: bearer('argo') });
    expect(answer.statusCode).toBe(429);
    expect(answer.headers).toMatchObject({
      'retry-after': '60',
      'content-type': 'application/problem+json; charset=utf-8',
    });
    expect(answer.json()).toMatchObject({ code: 'rate_limited' });
  });

  it('is of each caller by itself', async () => {
    const { app } = await limited(1).gate;
    const statuses = [];
    for (const token of ['argo', 'argo', 'ci']) {
      statuses.push((await app.inject({ url: '/cujs', headers: bearer(token) })).statusCode);
    }
    expect(statuses).toEqual([200, 429, 200]);
  });

  it('is of each address where nobody is asked for a token', async () => {
    const { app } = await limited(1, false).gate;
    const statuses: number[] = [];
    for (const remoteAddress of ['10.0.0.1', '10.0.0.1', '10.0.0.2']) {
      // What a caller says of itself does not count.
      const headers = { 'x-forwarded-for': `192.0.2.${statuses.length}` };
      statuses.push((await app.inject({ url: '/cujs', remoteAddress, headers })).statusCode);
    }
    expect(statuses).toEqual([200, 429, 200]);
  });

  it('leaves probes and /metrics alone', async () => {
    const { app } = await limited(1).gate;
    for (let i = 0; i < 5; i += 1) {
      for (const url of ['/healthz', '/readyz', '/metrics'])
        expect((await app.inject(url)).statusCode).toBe(200);
    }
  });

  it('does not let callers whom nobody knows use up the share of one who is known', async () => {
    const { app } = await bench({ authenticator: authenticator(), rateLimitPerMinute: 1 });
    // 401 each time: callers without a valid token are refused before anything is counted.
    for (const url of [login, '/cujs', login, '/cujs']) expect((await app.inject(url)).statusCode).toBe(401);
    for (const url of [login, '/cujs', login, '/cujs'])
      expect((await app.inject({ url, headers: bearer('y'.repeat(20)) })).statusCode).toBe(401);
    expect((await app.inject({ url: '/cujs', headers: bearer(good) })).statusCode).toBe(200);
  });
});
