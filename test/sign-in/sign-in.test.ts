import { readFileSync } from 'node:fs';
import { decodeJwt } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ask, question } from '../auth/gate.ts';
import { ensurePrograms } from '../e2e/programs.ts';
import { waitFor } from '../e2e/wait.ts';
import { type Browser, browserAccept } from './browser.ts';
import { documented } from './documented.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

let oauth2Proxy = '';
// Downloads and compiles it the first time.
beforeAll(async () => {
  oauth2Proxy = (await ensurePrograms(['oauth2-proxy']))['oauth2-proxy'].program;
}, 900_000);

const world = (options: Omit<WorldOptions, 'oauth2Proxy'> = {}) => startWorld({ oauth2Proxy, ...options });
const html = 'text/html; charset=utf-8';
const json = 'application/json; charset=utf-8';
const verdictPage = (of: World) => `${of.publicUrl}${question}`;
/** The callers of the requests that reached the gate, in order. */
const callersOf = (of: World) =>
  of.gate.lines.filter(({ msg }) => msg === 'answered' || msg === 'verdict').map(({ caller }) => caller);
/** What a template of the gate sends. */
const ofArgo = async (of: World, claims = {}) => ({
  authorization: `Bearer ${await of.argo.token(claims)}`,
  'x-canary-version': 'v2',
});

describe('the documented values', () => {
  it('are those that the chart is rendered with, beside the required ones', () => {
    const read = (name: string) =>
      parse(readFileSync(new URL(`../helm/testdata/${name}.values.yaml`, import.meta.url), 'utf8'));
    expect({ ...read('minimal'), ...parse(documented('values')) }).toEqual(read('browser'));
  });
});

describe.each([
  ['below a path, as documented', undefined],
  ['at the root of a host', 'https://cuj-gate.example.com'],
])('signing in, %s', (_, publicUrl) => {
  it('leads through the provider to the page that was asked for, and asks no second time', async () => {
    const of = await world(publicUrl === undefined ? {} : { publicUrl });
    const browser = of.browser();
    const shown = await browser.open(verdictPage(of));
    expect([shown.status, shown.headers['content-type'], shown.url]).toEqual([200, html, verdictPage(of)]);
    expect(shown.text).toMatch(/^<!doctype html>/i);
    expect(shown.text).toContain('signup');
    const [first, second, third] = browser.visited as [string, string, string];
    expect(first).toBe(verdictPage(of));
    const asked = new URL(second);
    expect(`${asked.origin}${asked.pathname}`).toBe(`${of.people.url}/authorize`);
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      client_id: 'cuj-gate-pages',
      code_challenge_method: 'S256',
      redirect_uri: `${of.publicUrl}/oauth2/callback`,
      response_type: 'code',
    });
    expect(third).toContain(`${of.publicUrl}/oauth2/callback?`);
    expect(of.people.counts).toEqual({ authorized: 1, redeemed: 1, refreshed: 0 });

    expect((await browser.get(`${of.publicUrl}/`)).headers['content-type']).toBe(html);
    expect((await browser.get(`${of.publicUrl}/cujs/signup`)).status).toBe(200);
    expect(of.people.counts.authorized).toBe(1);
    expect(new Set(callersOf(of))).toEqual(new Set(['browser:ada']));
  });

  it('keeps its cookie to this path, to https and from scripts', async () => {
    const of = await world(publicUrl === undefined ? {} : { publicUrl });
    const browser = of.browser();
    await browser.open(`${of.publicUrl}/`);
    const path = new URL(of.publicUrl).pathname;
    const kept = (await browser.jar.getCookies(`${of.publicUrl}/`)).filter(
      ({ key }) => !key.includes('csrf'),
    );
    expect(kept.length).toBeGreaterThan(0);
    for (const cookie of kept)
      expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'lax', path, hostOnly: true });
  });

  it('gives for every link of a page what the gate gives, also where a path has escaped characters', async () => {
    const of = await world(publicUrl === undefined ? {} : { publicUrl });
    const browser = of.browser();
    const { text } = await browser.open(verdictPage(of));
    const links = [...text.matchAll(/(?:href|src)="([^"#]+)"/g)].map(
      ([, link]) => new URL((link as string).replaceAll('&amp;', '&'), of.publicUrl),
    );
    const own = links.filter(({ host }) => host === of.host).map(({ href }) => href);
    expect(own.some((href) => href.endsWith('.css'))).toBe(true);
    const headers = {
      authorization: `Bearer ${await of.people.idToken('cuj-gate-pages')}`,
      accept: browserAccept,
    };
    const escaped = [
      '/v/signup/feature%2Fx',
      '/cujs/sign%20up',
      '/cujs/%E7%99%BB%E9%8C%B2',
      '/cujs/signup/status?version=a%2Bb',
    ];
    for (const href of [...own, ...escaped.map((path) => of.publicUrl + path)]) {
      expect(href.startsWith(of.publicUrl), href).toBe(true);
      const { pathname, search } = new URL(href);
      const direct = await ask(of.gate.url + pathname + search, { headers });
      const shown = await browser.get(href);
      expect([shown.status, shown.headers['content-type'], shown.headers.location], href).toEqual([
        direct.status,
        direct.headers['content-type'],
        direct.headers.location,
      ]);
    }
  });
});

describe('without a session', () => {
  it('a browser is sent to the provider, and the gate is not asked', async () => {
    const of = await world();
    const shown = await of.browser().get(verdictPage(of));
    expect(shown.status).toBe(302);
    expect(shown.headers.location).toContain(`${of.people.url}/authorize?`);
    expect(callersOf(of)).toEqual([]);
  });

  it('a request for JSON gets 401, whatever token it has: the proxy is no way around a session', async () => {
    const of = await world();
    const accept = { accept: 'application/json' };
    expect((await of.browser().get(verdictPage(of), accept)).status).toBe(401);
    const shown = await of.browser().get(verdictPage(of), { ...accept, ...(await ofArgo(of)) });
    expect(shown.status).toBe(401);
    expect(callersOf(of)).toEqual([]);
  });

  it("a template's request at the public URL gets no page and no verdict, which is why the docs warn of it", async () => {
    const of = await world();
    const { authorization, ...canary } = await ofArgo(of);
    const shown = await of.browser().get(verdictPage(of), { authorization, ...canary, accept: '*/*' });
    expect(shown.status).toBe(302);
    expect(callersOf(of)).toEqual([]);
  });

  it('the metrics, the probes and other paths of the host are not behind the public URL', async () => {
    const of = await world();
    const browser = of.browser();
    expect((await browser.get(`${of.publicUrl}/metrics`)).status).toBe(302);
    expect((await browser.get(`https://${of.host}/metrics`)).status).toBe(404);
    expect((await browser.get(`https://${of.host}/cuj-gates/`)).status).toBe(404);
  });
});

describe('Argo Rollouts', () => {
  it('asks the gate itself with its own token, while people are signed in', async () => {
    const of = await world();
    await of.browser().open(verdictPage(of));
    const answer = await ask(`${of.gate.url}/cujs/signup/status`, { headers: await ofArgo(of) });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, json]);
    expect(JSON.parse(answer.text)).toMatchObject({ verdict: 'pass' });
    expect(callersOf(of)).toContain('oidc:argo-rollouts');
    expect(
      (await ask(`${of.gate.url}/cuj-gate/cujs/signup/status`, { headers: await ofArgo(of) })).status,
    ).toBe(200);
  });

  it.each([
    ['text/html', 200, 'a proxy that rewrites Accept'],
    ['text/html,*/*;q=0.8', 200, 'a browser'],
    ['*/*', 200, 'Argo'],
  ])('gets JSON where its request says Accept: %s (%#)', async (accept, status) => {
    const of = await world();
    const answer = await ask(`${of.gate.url}/cujs/signup/status`, {
      headers: { ...(await ofArgo(of)), accept },
    });
    expect([answer.status, answer.headers['content-type']]).toEqual([status, json]);
  });

  it.each([
    ['of the audience of people', { aud: 'cuj-gate-pages' }],
    ['of another application', { aud: 'wiki' }],
  ])('is refused with a token %s', async (_, claims) => {
    const of = await world();
    const answer = await ask(`${of.gate.url}/cujs/signup/status`, { headers: await ofArgo(of, claims) });
    expect(answer.status).toBe(401);
  });
});

describe('a request with a canary, of a person who is signed in', () => {
  it.each([
    ['as the browser sends it', undefined],
    ['with an Accept that the Ingress rewrites', 'text/html'],
  ])('gets JSON %s', async (_, accept) => {
    const of = await world();
    const browser = of.browser();
    await browser.open(verdictPage(of));
    if (accept !== undefined) of.ingress.rewrite = (headers) => ({ ...headers, accept });
    const shown = await browser.get(`${of.publicUrl}/cujs/signup/status`, { 'x-canary-version': 'v2' });
    expect([shown.status, shown.headers['content-type']]).toEqual([200, json]);
  });
});

describe('an ID token', () => {
  it('of another application of the company is refused at the gate', async () => {
    const of = await world();
    const bearer = async (audience: string) => ({
      headers: { authorization: `Bearer ${await of.people.idToken(audience)}` },
    });
    expect((await ask(of.gate.url + question, await bearer('wiki'))).status).toBe(401);
    expect((await ask(of.gate.url + question, await bearer('cuj-gate'))).status).toBe(401);
    expect((await ask(of.gate.url + question, await bearer('cuj-gate-pages'))).status).toBe(200);
  });

  it('for a client that the gate does not know is answered with a page that says so', async () => {
    const of = await world({ gate: { CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: 'another-client' } });
    const shown = await of.browser().open(verdictPage(of));
    expect([shown.status, shown.headers['content-type']]).toEqual([401, html]);
    expect(shown.text).toMatch(/The claim .{1,8}aud.{1,8} of the token does not have the required value/);
    expect(await of.gate.logged('caller turned away')).toMatchObject({
      claim: { name: 'aud', expected: 'another-client', received: 'cuj-gate-pages' },
    });
  });

  it('of a person outside the group is answered with a page that says so', async () => {
    const of = await world();
    of.people.person = { sub: 'bob', email: 'bob@example.com', groups: ['sales'] };
    const shown = await of.browser().open(verdictPage(of));
    expect([shown.status, shown.headers['content-type']]).toEqual([401, html]);
    expect(shown.text).toMatch(/groups/);
    expect(shown.text).not.toContain('signup');
  });

  it.each([100, 400])(
    'with %d groups is passed on, or is answered 431 where the gate does not read so much',
    async (count) => {
      const of = await world();
      const groups = [
        'developers',
        ...Array.from({ length: count }, (_, i) => `a-group-of-the-company-${i}`),
      ];
      of.people.person = { ...of.people.person, groups };
      const shown = await of.browser().open(verdictPage(of));
      expect(shown.status).toBe(count === 100 ? 200 : 431);
    },
  );

  it('cannot be replaced by a header of the browser', async () => {
    const of = await world();
    const browser = of.browser();
    await browser.open(`${of.publicUrl}/`);
    const { authorization } = await ofArgo(of);
    const shown = await browser.get(verdictPage(of), { authorization });
    expect(shown.status).toBe(200);
    expect(new Set(callersOf(of))).toEqual(new Set(['browser:ada']));
  });
});

describe('a session whose ID token has expired', () => {
  // Short, since oauth2-proxy has the clock of the machine.
  const short = {
    proxy: { 'cookie_refresh = "4m"': 'cookie_refresh = "1s"' },
    gate: { CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: '1s' },
  };
  const tokenSeconds = 5;
  /** By then the gate no longer takes the first token. */
  const isOver = (from: number) => Date.now() > from + 7_000;

  /** Opens the page again and again until the first token is over or the page is not shown. */
  async function watch(of: World, browser: Browser): Promise<number[]> {
    const from = Date.now();
    const statuses: number[] = [];
    await waitFor(
      async () => {
        statuses.push((await browser.get(verdictPage(of))).status);
        return isOver(from) || statuses.at(-1) !== 200;
      },
      { what: 'the first ID token to expire', timeoutMs: 30_000 },
    );
    return statuses;
  }

  it('is refreshed without the person noticing', async () => {
    const of = await world(short);
    of.people.idTokenSeconds = tokenSeconds;
    const browser = of.browser();
    await browser.open(verdictPage(of));
    expect(new Set(await watch(of, browser))).toEqual(new Set([200]));
    expect(of.people.counts).toMatchObject({ authorized: 1 });
    expect(of.people.counts.refreshed).toBeGreaterThan(0);
  });

  it('is sent to sign in where the provider has ended it', async () => {
    const of = await world(short);
    of.people.idTokenSeconds = tokenSeconds;
    const browser = of.browser();
    await browser.open(verdictPage(of));
    of.people.revokeSessions();
    // Never an answer of the gate that the token has expired.
    const statuses = await watch(of, browser);
    expect(statuses.slice(0, -1).every((status) => status === 200)).toBe(true);
    expect(statuses.at(-1)).toBe(302);
    expect((await browser.get(verdictPage(of), { accept: 'application/json' })).status).toBe(401);
    expect((await browser.open(verdictPage(of))).status).toBe(200);
    expect(of.people.counts).toMatchObject({ authorized: 2, refreshed: 0 });
  });

  it('is sent to sign in where the provider gives no refresh tokens', async () => {
    const of = await world(short);
    of.people.idTokenSeconds = tokenSeconds;
    of.people.refreshes = false;
    const browser = of.browser();
    await browser.open(verdictPage(of));
    expect((await watch(of, browser)).at(-1)).toBe(302);
    expect((await browser.open(verdictPage(of))).status).toBe(200);
  });

  it('is refused by the gate where the proxy refreshes too late, as the docs say', async () => {
    const of = await world({ gate: short.gate });
    of.people.idTokenSeconds = 3;
    const browser = of.browser();
    await browser.open(verdictPage(of));
    const shown = await waitFor(() => browser.get(verdictPage(of)), {
      what: 'the token to expire',
      timeoutMs: 30_000,
      until: ({ status }) => status !== 200,
    });
    expect([shown.status, shown.headers['content-type']]).toEqual([401, html]);
    expect(shown.text).toContain('The token has expired.');
  });
});

it('signing out ends the session', async () => {
  const of = await world();
  const browser = of.browser();
  await browser.open(`${of.publicUrl}/`);
  expect((await browser.get(`${of.publicUrl}/oauth2/sign_out`)).status).toBe(302);
  expect((await browser.get(`${of.publicUrl}/`)).status).toBe(302);
});

it("the provider of the tests gives what the gate's settings ask for", async () => {
  const of = await world();
  expect(decodeJwt(await of.people.idToken('cuj-gate-pages'))).toMatchObject({
    aud: 'cuj-gate-pages',
    groups: ['developers'],
  });
});
