import { EventEmitter, once } from 'node:events';
import { base64url, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../src/auth/authenticator.ts';
import {
  failureCooldownMs,
  Jwks,
  keepForMs,
  refreshAfterMs,
  unknownKeyCooldownMs,
} from '../../src/auth/jwks.ts';
import { createOidcVerifier, type OidcOptions } from '../../src/auth/oidc.ts';
import type { Identification } from '../../src/domain/ports/authenticator.ts';
import { respond } from '../sources/datadog/loopback.ts';
import { type Algorithm, Issuer, type KeyPair, keyPair } from './issuer.ts';

interface World {
  readonly issuer: Issuer;
  readonly clock: { ms: number };
  readonly failures: string[];
  readonly jwks: Jwks;
  readonly verify: (token: string) => Promise<Identification>;
  /** What a fetch in the background comes to. */
  readonly fetched: () => Promise<unknown>;
}

async function world(
  options: Partial<OidcOptions> & { jwksUrl?: string; alg?: Algorithm; deadlineMs?: number } = {},
): Promise<World> {
  const clock = { ms: Date.UTC(2026, 0, 31, 9) };
  const now = () => clock.ms;
  const issuer = await Issuer.start(now, options.alg);
  const failures: string[] = [];
  const news = new EventEmitter();
  const next = () => void news.emit('fetched');
  const jwks = new Jwks({
    issuer: issuer.url,
    jwksUrl: options.jwksUrl,
    deadlineMs: options.deadlineMs ?? 5_000,
    now,
    onFetched: next,
    onFailed: (message) => {
      failures.push(message);
      next();
    },
  });
  const verify = createOidcVerifier({
    caller: 'oidc',
    issuer: issuer.url,
    audience: 'cuj-gate',
    claim: undefined,
    clockSkewMs: 30_000,
    now,
    keyOf: jwks.keyOf,
    ...options,
  });
  return { issuer, clock, failures, jwks, verify, fetched: () => once(news, 'fetched') };
}

const known = { outcome: 'known', caller: 'oidc:argo-rollouts' };

describe('a JWT of the issuer', () => {
  it.each<Algorithm>(['RS256', 'ES256', 'EdDSA'])('signed by %s says who asks', async (alg) => {
    const { issuer, verify } = await world({ alg });
    expect(await verify(await issuer.token())).toEqual(known);
  });

  it.each([
    ['its subject', {}, 'oidc:argo-rollouts'],
    ['its client where it has no subject', { sub: undefined, client_id: 'ci' }, 'oidc:ci'],
    ['its authorised party where it has neither', { sub: undefined, azp: 'ci' }, 'oidc:ci'],
    ['nobody where it names nobody', { sub: undefined }, 'oidc:without-subject'],
    ['without what a terminal would obey', { sub: 'a\u009b\u202eb' }, 'oidc:a\\u009b\\u202eb'],
    ['at most 128 characters', { sub: 'x'.repeat(500) }, `oidc:${'x'.repeat(128)}`],
  ])('is of %s', async (_, claims, caller) => {
    const { issuer, verify } = await world();
    expect(await verify(await issuer.token(claims))).toEqual({ outcome: 'known', caller });
  });

  it('may be for several audiences', async () => {
    const { issuer, verify } = await world();
    expect(await verify(await issuer.token({ aud: ['other', 'cuj-gate'] }))).toEqual(known);
  });

  const seconds = Date.UTC(2026, 0, 31, 9) / 1000;
  it.each([
    [
      'of another issuer',
      { iss: 'https://evil.example' },
      'The claim "iss" of the token does not have the required value.',
    ],
    [
      'for another audience',
      { aud: 'other' },
      'The claim "aud" of the token does not have the required value.',
    ],
    ['for nobody', { aud: undefined }, 'The token has no claim "aud".'],
    ['without an end', { exp: undefined }, 'The token has no claim "exp".'],
    ['that ended beyond the clock skew', { exp: seconds - 30 }, 'The token has expired.'],
    [
      'that begins beyond the clock skew',
      { nbf: seconds + 31 },
      'The token is not valid yet (nbf): check the clocks of its issuer and of the gate.',
    ],
  ])('is refused if it is one %s', async (_, claims, detail) => {
    const { issuer, verify } = await world();
    expect(await verify(await issuer.token(claims))).toMatchObject({ outcome: 'refused', detail });
  });

  it.each([
    ['that ended within the clock skew', { exp: seconds - 29 }],
    ['that begins within the clock skew', { nbf: seconds + 30 }],
  ])('is taken if it is one %s', async (_, claims) => {
    const { issuer, verify } = await world();
    expect(await verify(await issuer.token(claims))).toEqual(known);
  });

  it('is refused without a word of what it holds', async () => {
    const { issuer, verify } = await world();
    const refused = await verify(await issuer.token({ aud: 'a-secret-audience', email: 'who@example.com' }));
    expect((refused as { detail: string }).detail).not.toMatch(/a-secret-audience/);
    expect(JSON.stringify(refused)).not.toMatch(/who@example/);
  });

  it.each<[Record<string, unknown>, object]>([
    [{ aud: ['a', 'b'] }, { name: 'aud', expected: 'cuj-gate', received: '["a","b"]' }],
    [{ aud: 'x'.repeat(500) }, { name: 'aud', expected: 'cuj-gate', received: 'x'.repeat(200) }],
    [{ iss: 'https://evil.example' }, { name: 'iss', received: 'https://evil.example' }],
  ])('whose %j is wrong is refused with both values, for the log', async (claims, claim) => {
    const { issuer, verify } = await world();
    expect(await verify(await issuer.token(claims))).toMatchObject({ outcome: 'refused', claim });
  });
});

describe('a forged JWT', () => {
  const refused = (detail: RegExp) => ({ outcome: 'refused', detail: expect.stringMatching(detail) });

  it('is refused without a signature', async () => {
    const { issuer, verify } = await world();
    const [, payload] = (await issuer.token()).split('.');
    const header = base64url.encode(JSON.stringify({ alg: 'none', kid: 'first' }));
    expect(await verify(`${header}.${payload}.`)).toEqual(refused(/algorithm .* not accepted/));
  });

  it("is refused where the issuer's public key served as a shared secret", async () => {
    const { issuer, verify } = await world();
    const { jwk } = issuer.keys[0] as KeyPair;
    const [, payload] = (await issuer.token()).split('.');
    const claims = JSON.parse(Buffer.from(payload as string, 'base64url').toString());
    const secret = new TextEncoder().encode(JSON.stringify(jwk).padEnd(64));
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret);
    expect(await verify(token)).toEqual(refused(/algorithm .* not accepted/));
  });

  it('is refused where a key that is not the of the issuer signed it under the name of one that is', async () => {
    const { issuer, verify } = await world();
    const other = await keyPair('first');
    expect(await verify(await issuer.token({}, other))).toEqual(refused(/signature of the token is invalid/));
  });

  it('is refused where its claims were changed afterwards', async () => {
    const { issuer, verify } = await world();
    const [header, payload, signature] = (await issuer.token()).split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const changed = base64url.encode(JSON.stringify({ ...claims, sub: 'admin' }));
    expect(await verify(`${header}.${changed}.${signature}`)).toEqual(
      refused(/signature of the token is invalid/),
    );
  });

  it.each([
    'eyJ.e30.',
    'eyJhbGciOiJFUzI1NiJ9.bm90IGpzb24.c2ln',
    '..',
    'eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2V9.e30.c2ln',
  ])('is refused where it is no JWT: %s', async (token) => {
    const { verify } = await world();
    expect(await verify(token)).toMatchObject({ outcome: 'refused' });
  });
});

describe('the claim that is asked for', () => {
  it.each([
    ['the same text', 'groups', 'release', { groups: 'release' }, true],
    ['among a list', 'groups', 'release', { groups: ['dev', 'release'] }, true],
    ['a number or a flag', 'admin', 'true', { admin: true }, true],
    ['within a scope', 'scope', 'gate:ask', { scope: 'openid gate:ask' }, true],
    ['absent', 'groups', 'release', {}, false],
    ['another text', 'groups', 'release', { groups: 'releases' }, false],
    ['a part of a text that is no scope', 'groups', 'release', { groups: 'dev release' }, false],
    ['a name that every object has', 'constructor', 'x', {}, false],
    ['an object', 'groups', '[object Object]', { groups: {} }, false],
  ])('may be %s', async (_, name, value, claims, good) => {
    const { issuer, verify } = await world({ claim: { name, value } });
    const found = await verify(await issuer.token(claims));
    expect(found).toEqual(
      good
        ? known
        : {
            outcome: 'refused',
            detail: `The claim "${name}" of the token does not have the required value.`,
          },
    );
  });
});

describe("the issuer's keys", () => {
  it('are fetched once for all tokens, however many come at the same moment', async () => {
    const { issuer, verify } = await world();
    const token = await issuer.token();
    expect(await Promise.all([verify(token), verify(token), verify(token)])).toEqual([known, known, known]);
    expect(await verify(token)).toEqual(known);
    expect(issuer.loopback.requests.map(({ path }) => path)).toEqual([
      '/.well-known/openid-configuration',
      '/keys',
    ]);
  });

  it('are taken from the URL that is configured, without discovery', async () => {
    const clock = Date.UTC(2026, 0, 31, 9);
    const elsewhere = await Issuer.start(() => clock);
    const { issuer, verify } = await world({ jwksUrl: `${elsewhere.url}/keys` });
    elsewhere.keys = issuer.keys;
    expect(await verify(await issuer.token())).toEqual(known);
    expect([elsewhere.fetches, issuer.loopback.requests.length]).toEqual([1, 0]);
  });

  it('are rotated without a restart: an unknown one is asked for, at most every 30 s', async () => {
    const { issuer, verify, clock } = await world();
    expect(await verify(await issuer.token())).toEqual(known);
    const second = await keyPair('second');
    issuer.keys.push(second);
    const rotated = await issuer.token({}, second);
    expect(await verify(rotated)).toMatchObject({ outcome: 'refused', detail: /./ });
    expect(issuer.fetches).toBe(1);
    clock.ms += unknownKeyCooldownMs;
    expect(await Promise.all([verify(rotated), verify(rotated)])).toEqual([known, known]);
    expect(issuer.fetches).toBe(2);
    const madeUp = await issuer.token({}, await keyPair('made-up'));
    for (let i = 0; i < 5; i += 1) {
      expect(await verify(madeUp)).toEqual({
        outcome: 'refused',
        detail: 'The token is signed with a key that its issuer does not publish.',
      });
    }
    expect(issuer.fetches).toBe(2);
  });

  it('are fetched anew beside the request once they are old, so that one that was withdrawn goes', async () => {
    const { issuer, verify, clock, fetched } = await world();
    const withdrawn = await issuer.token({ exp: clock.ms / 1000 + 86_400 });
    expect(await verify(withdrawn)).toEqual(known);
    issuer.keys = [await keyPair('second')];
    clock.ms += refreshAfterMs + 1;
    const background = fetched();
    expect(await verify(withdrawn)).toEqual(known);
    await background;
    expect(await verify(withdrawn)).toMatchObject({ outcome: 'refused' });
  });

  it('go on for a day while they cannot be fetched, and no longer', async () => {
    const { issuer, verify, clock, fetched, failures } = await world();
    const token = await issuer.token({ exp: clock.ms / 1000 + 10 * 86_400 });
    expect(await verify(token)).toEqual(known);
    issuer.broken = 503;
    clock.ms += keepForMs;
    const background = fetched();
    expect(await verify(token)).toEqual(known);
    await background;
    expect(failures).toEqual([
      `fetching the keys of ${issuer.url} failed: ${issuer.url}/.well-known/openid-configuration responded with 503`,
    ]);
    clock.ms += failureCooldownMs;
    expect(await verify(token)).toMatchObject({ outcome: 'unavailable' });
  });
});

describe('without keys', () => {
  const unavailable = {
    outcome: 'unavailable',
    message: "the keys to verify the caller's token are not available",
  };

  it('nobody is known, and a token that may be good is not called bad', async () => {
    const { issuer, verify } = await world();
    issuer.broken = 500;
    expect(await verify(await issuer.token())).toMatchObject(unavailable);
  });

  it.each([
    ['of another issuer', { iss: 'https://evil.example' }],
    ['for another audience', { aud: 'other' }],
    ['for no audience', { aud: undefined }],
    ['that has expired', { exp: Date.UTC(2026, 0, 31, 8) / 1000 }],
    ['without an end', { exp: undefined }],
  ])('a token %s is refused all the same', async (_, claims) => {
    const { issuer, verify } = await world();
    issuer.broken = 500;
    expect(await verify(await issuer.token(claims))).toMatchObject({ outcome: 'refused' });
  });

  it('nobody waits for the next fetch within 5 s of one that failed, and the next one may succeed', async () => {
    const { issuer, verify, clock, failures } = await world();
    issuer.broken = 500;
    const token = await issuer.token();
    for (let i = 0; i < 5; i += 1) expect(await verify(token)).toMatchObject(unavailable);
    expect([issuer.loopback.requests.length, failures.length]).toEqual([1, 1]);
    issuer.broken = undefined;
    clock.ms += failureCooldownMs;
    expect(await verify(token)).toEqual(known);
  });

  it('an issuer that hangs is given up at the deadline', async () => {
    const { issuer, verify, failures } = await world({ deadlineMs: 20 });
    issuer.broken = 0;
    expect(await verify(await issuer.token())).toMatchObject(unavailable);
    expect(failures[0]).toContain('no response within 20 ms');
  });

  it('a token of a new key is not called bad while the issuer cannot be asked for it', async () => {
    const { issuer, verify, clock } = await world();
    expect(await verify(await issuer.token())).toEqual(known);
    issuer.broken = 500;
    clock.ms += unknownKeyCooldownMs;
    const second = await keyPair('second');
    expect(await verify(await issuer.token({}, second))).toMatchObject(unavailable);
    expect(await verify(await issuer.token())).toEqual(known);
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '<html>', /is not a JSON object/],
    ['null', null, /is not a JSON object/],
    ['no keys', { keys: [] }, /contains no keys/],
    ['something else', { hello: 1 }, /contains no keys/],
    ['keys that are none', { keys: [1] }, /malformed/],
    ['more than 1 MiB', { keys: ['x'.repeat(1024 * 1024)] }, /larger than 1 MiB/],
  ])('that is said where the issuer answers %s', async (_, body, failure) => {
    const { issuer, verify, failures, clock, fetched } = await world();
    const token = await issuer.token();
    expect(await verify(token)).toEqual(known);
    issuer.loopback.reply((response, request) =>
      request.path === '/keys'
        ? respond(200, body)(response, request)
        : respond(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` })(response, request),
    );
    clock.ms += refreshAfterMs + 1;
    const background = fetched();
    await verify(token);
    await background;
    expect(failures[0]).toMatch(failure);
    // What was known before is not thrown away for it.
    expect(await verify(await issuer.token())).toEqual(known);
  });

  it.each<[string, object, RegExp]>([
    [
      'about another issuer',
      { issuer: 'https://other.example', jwks_uri: 'https://other.example/keys' },
      /describes another issuer/,
    ],
    ['without a URL of keys', {}, /has no https jwks_uri/],
    ['that sends keys through plain HTTP', { jwks_uri: 'http://keys.example/keys' }, /has no https jwks_uri/],
  ])('that is said where discovery answers something %s', async (_, document, failure) => {
    const { issuer, verify, failures } = await world();
    issuer.loopback.reply(respond(200, { issuer: issuer.url, ...document }));
    expect(await verify(await issuer.token())).toMatchObject(unavailable);
    expect(failures[0]).toMatch(failure);
  });

  it('a redirect is not followed', async () => {
    const { issuer, verify, failures } = await world();
    issuer.loopback.reply(respond(302, {}, { location: `${issuer.url}/elsewhere` }));
    expect(await verify(await issuer.token())).toMatchObject(unavailable);
    expect(issuer.loopback.requests).toHaveLength(1);
    expect(failures[0]).toContain('responded with 302');
  });

  it('a fetch that is under way ends with the gate', async () => {
    const { issuer, verify, jwks, failures } = await world();
    issuer.broken = 0;
    const verified = verify(await issuer.token());
    jwks.close();
    expect(await verified).toMatchObject(unavailable);
    expect(failures).toEqual([]);
  });
});

describe('createAuthenticator', () => {
  const tokens = () => ({
    size: 1,
    labelOf: (token: string) => (token === 'a-token-of-the-file' ? 'argo' : undefined),
  });
  const jwt = 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln';

  it('knows tokens of the file without asking the issuer', () => {
    const oidc = () => Promise.reject(new Error('asked'));
    expect(createAuthenticator({ tokens, oidc }).identify('a-token-of-the-file')).toEqual({
      outcome: 'known',
      caller: 'token:argo',
    });
  });

  it('has the issuer look at what has the form of a JWT, and at nothing else', async () => {
    const asked: string[] = [];
    const authenticator = createAuthenticator({
      tokens,
      oidc: async (token) => {
        asked.push(token);
        return { outcome: 'known', caller: 'oidc:x' };
      },
    });
    expect(await authenticator.identify(jwt)).toEqual({ outcome: 'known', caller: 'oidc:x' });
    expect(authenticator.identify('some-other-token')).toMatchObject({ outcome: 'refused' });
    expect(asked).toEqual([jwt]);
  });

  it('refuses a JWT where there is no issuer', () => {
    expect(createAuthenticator({ tokens }).identify(jwt)).toMatchObject({ outcome: 'refused' });
  });

  it('follows the tokens of the file', () => {
    let label: string | undefined = 'argo';
    const authenticator = createAuthenticator({ tokens: () => ({ size: 1, labelOf: () => label }) });
    expect(authenticator.identify('x')).toMatchObject({ outcome: 'known' });
    label = undefined;
    expect(authenticator.identify('x')).toMatchObject({ outcome: 'refused' });
  });
});
