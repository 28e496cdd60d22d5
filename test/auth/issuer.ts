import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';
import { Loopback, respond } from '../sources/datadog/loopback.ts';

export type Algorithm = 'RS256' | 'ES256' | 'EdDSA';

/** A key pair, and its public key in the form of a JWKS. */
export async function keyPair(kid: string, alg: Algorithm = 'ES256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}
export type KeyPair = Awaited<ReturnType<typeof keyPair>>;

/** An OpenID provider on loopback: discovery, keys, and tokens that it signs. */
export class Issuer {
  readonly loopback = new Loopback();
  readonly #now: () => number;
  keys: KeyPair[] = [];
  /** While set, every response has this status; 0: no response is sent. */
  broken: number | undefined;

  private constructor(now: () => number) {
    this.#now = now;
  }

  static async start(now: () => number, alg: Algorithm = 'ES256'): Promise<Issuer> {
    const issuer = new Issuer(now);
    issuer.keys = [await keyPair('first', alg)];
    await issuer.loopback.listen();
    onTestFinished(() => issuer.loopback.close());
    issuer.loopback.reply((response, request) => {
      if (issuer.broken === 0) return;
      if (issuer.broken !== undefined) return respond(issuer.broken, '<html>')(response, request);
      if (request.path === '/.well-known/openid-configuration') {
        return respond(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` })(response, request);
      }
      return respond(200, { keys: issuer.keys.map(({ jwk }) => jwk) })(response, request);
    });
    return issuer;
  }

  get url(): string {
    return this.loopback.url;
  }

  /** The number of requests for keys. */
  get fetches(): number {
    return this.loopback.requests.filter(({ path }) => path === '/keys').length;
  }

  /** A token as for client credentials, with the claims of a test; a claim that is undefined is left out. */
  async token(
    claims: Readonly<Record<string, unknown>> = {},
    { kid, alg, privateKey } = this.keys[0] as KeyPair,
  ): Promise<string> {
    const seconds = Math.floor(this.#now() / 1000);
    const payload = {
      iss: this.url,
      aud: 'cuj-gate',
      sub: 'argo-rollouts',
      iat: seconds,
      exp: seconds + 300,
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(payload))).setProtectedHeader({ alg, kid }).sign(privateKey);
  }
}
