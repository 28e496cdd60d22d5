import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';

/** Who is signed in at the provider. */
export interface Person {
  readonly sub: string;
  readonly email: string;
  readonly groups?: readonly string[];
}

export interface ClientRegistration {
  readonly id: string;
  readonly secret: string;
  readonly redirectUri: string;
}

interface Grant {
  readonly person: Person;
  readonly nonce: string | undefined;
  readonly challenge: string;
}

/**
 * An OpenID provider for people: authorisation code flow with PKCE, refresh tokens. Its sign-in page asks nothing: the browser comes
 * back at once as `person`. It refuses what a strict provider refuses.
 */
export class PeopleIssuer {
  url = '';
  person: Person = { sub: 'ada', email: 'ada@example.com', groups: ['developers'] };
  /** How long an ID token is valid, in s. */
  idTokenSeconds = 300;
  /** Whether sessions can be refreshed. */
  refreshes = true;
  /** Requests to sign in, and refreshed sessions. */
  readonly counts = { authorized: 0, redeemed: 0, refreshed: 0 };
  readonly #client: ClientRegistration;
  readonly #codes = new Map<string, Grant>();
  readonly #refreshTokens = new Map<string, Person>();
  readonly #accessTokens = new Map<string, Person>();
  #keys!: Awaited<ReturnType<typeof generateKeyPair>>;

  private constructor(client: ClientRegistration) {
    this.#client = client;
  }

  static async start(client: ClientRegistration): Promise<PeopleIssuer> {
    const issuer = new PeopleIssuer(client);
    issuer.#keys = await generateKeyPair('RS256', { extractable: true });
    const server = createServer((request, response) => {
      issuer.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return issuer;
  }

  /** No session can be refreshed any more, as after a person left. */
  revokeSessions(): void {
    this.#refreshTokens.clear();
  }

  /** An ID token for any client, as another application of the company gets it. */
  idToken(audience: string, nonce?: string, person = this.person): Promise<string> {
    const seconds = Math.floor(Date.now() / 1000);
    return new SignJWT({
      email: person.email,
      email_verified: true,
      ...(person.groups === undefined ? {} : { groups: person.groups }),
      ...(nonce === undefined ? {} : { nonce }),
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'people' })
      .setIssuer(this.url)
      .setSubject(person.sub)
      .setAudience(audience)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + this.idTokenSeconds)
      .sign(this.#keys.privateKey);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    const json = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify(body));
    };
    if (pathname === '/.well-known/openid-configuration') {
      json(200, {
        issuer: this.url,
        authorization_endpoint: `${this.url}/authorize`,
        token_endpoint: `${this.url}/token`,
        userinfo_endpoint: `${this.url}/userinfo`,
        jwks_uri: `${this.url}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        code_challenge_methods_supported: ['S256'],
      });
    } else if (pathname === '/keys') {
      const jwk = await exportJWK(this.#keys.publicKey);
      json(200, { keys: [{ ...jwk, kid: 'people', alg: 'RS256', use: 'sig' }] });
    } else if (pathname === '/authorize') {
      const to = this.#authorize(searchParams);
      if (to instanceof URL) response.writeHead(302, { location: to.href }).end();
      else response.writeHead(400, { 'content-type': 'text/html' }).end(to);
    } else if (pathname === '/token' && request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += chunk;
      const form = new URLSearchParams(body);
      if (!this.#isClient(request.headers.authorization, form)) json(401, { error: 'invalid_client' });
      else {
        const tokens = await this.#tokens(form);
        json(tokens === undefined ? 400 : 200, tokens ?? { error: 'invalid_grant' });
      }
    } else if (pathname === '/userinfo') {
      const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
      const person = token === undefined ? undefined : this.#accessTokens.get(token);
      json(person === undefined ? 401 : 200, person ?? { error: 'invalid_token' });
    } else json(404, { error: 'not_found' });
  }

  /** RFC 6749, 4.1.1 and RFC 7636: where the browser goes next, or what is wrong with the request. */
  #authorize(query: URLSearchParams): URL | string {
    const { id, redirectUri } = this.#client;
    const challenge = query.get('code_challenge');
    if (query.get('client_id') !== id) return 'unknown client_id';
    if (query.get('redirect_uri') !== redirectUri)
      return `another redirect_uri: ${query.get('redirect_uri')}`;
    if (query.get('response_type') !== 'code') return 'response_type is not code';
    if (!query.get('scope')?.split(' ').includes('openid')) return 'no scope openid';
    if (challenge === null || query.get('code_challenge_method') !== 'S256') return 'no PKCE with S256';
    const code = randomBytes(16).toString('base64url');
    this.#codes.set(code, { person: this.person, nonce: query.get('nonce') ?? undefined, challenge });
    this.counts.authorized += 1;
    const to = new URL(redirectUri);
    to.searchParams.set('code', code);
    to.searchParams.set('state', query.get('state') ?? '');
    return to;
  }

  #isClient(authorization: string | undefined, form: URLSearchParams): boolean {
    const { id, secret } = this.#client;
    const basic = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
    return authorization === basic || (form.get('client_id') === id && form.get('client_secret') === secret);
  }

  async #tokens(form: URLSearchParams): Promise<object | undefined> {
    if (form.get('grant_type') === 'refresh_token') {
      const old = form.get('refresh_token') ?? '';
      const person = this.#refreshTokens.get(old);
      // Refresh tokens rotate (RFC 9700, 4.14.2).
      this.#refreshTokens.delete(old);
      if (person === undefined) return undefined;
      this.counts.refreshed += 1;
      return this.#issue(person, undefined);
    }
    const code = form.get('code') ?? '';
    const grant = this.#codes.get(code);
    this.#codes.delete(code);
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      grant === undefined ||
      form.get('grant_type') !== 'authorization_code' ||
      form.get('redirect_uri') !== this.#client.redirectUri ||
      verifier !== grant.challenge
    )
      return undefined;
    this.counts.redeemed += 1;
    return this.#issue(grant.person, grant.nonce);
  }

  async #issue(person: Person, nonce: string | undefined): Promise<object> {
    const [access, refresh] = [0, 1].map(() => randomBytes(24).toString('base64url')) as [string, string];
    this.#accessTokens.set(access, person);
    if (this.refreshes) this.#refreshTokens.set(refresh, person);
    return {
      access_token: access,
      token_type: 'Bearer',
      expires_in: this.idTokenSeconds,
      id_token: await this.idToken(this.#client.id, nonce, person),
      ...(this.refreshes ? { refresh_token: refresh } : {}),
    };
  }
}
