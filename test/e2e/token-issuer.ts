import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { ScenarioContext } from './scenario.ts';

/** An OpenID provider that knows one client: discovery, keys, and tokens for client credentials. */
export interface TokenIssuer {
  /** The issuer in its tokens. */
  readonly url: string;
  readonly tokenUrl: string;
  /** Requests to the token endpoint, without secrets. */
  readonly granted: { clientId: string; scope: string | null }[];
}

export interface Client {
  id: string;
  secret: string;
  audience: string;
}

export async function startTokenIssuer({ onEnd }: ScenarioContext, client: Client): Promise<TokenIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const key = { ...(await exportJWK(publicKey)), kid: 'e2e', alg: 'RS256', use: 'sig' };
  const granted: TokenIssuer['granted'] = [];
  const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
  let url = '';

  const answer = async (path: string, authorization: string | undefined, form: URLSearchParams) => {
    if (path === '/.well-known/openid-configuration') return { issuer: url, jwks_uri: `${url}/keys` };
    if (path === '/keys') return { keys: [key] };
    // RFC 6749, 4.4.2.
    if (path !== '/token' || form.get('grant_type') !== 'client_credentials' || authorization !== basic)
      return undefined;
    granted.push({ clientId: client.id, scope: form.get('scope') });
    const token = await new SignJWT({ client_id: client.id })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'at+jwt' })
      .setIssuer(url)
      .setSubject(client.id)
      .setAudience(client.audience)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
    return { access_token: token, token_type: 'Bearer', expires_in: 300 };
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const found = await answer(request.url ?? '', request.headers.authorization, new URLSearchParams(body));
    response.writeHead(found ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? { error: 'invalid_client' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, tokenUrl: `${url}/token`, granted };
}
