import { type IncomingHttpHeaders, request as send } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { onTestFinished } from 'vitest';

/** What the chart's Ingress says: the host, the path below which requests are taken, and the Service that they go to. */
export interface IngressRule {
  readonly host: string;
  readonly path: string;
  readonly service: string;
}

export interface Ingress {
  readonly port: number;
  /** PEM of the certificate for the host. */
  readonly ca: string;
  /** Changes the headers of requests on their way, as a proxy that somebody misconfigured. */
  rewrite: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
}

/** An ingress controller with one rule: terminates TLS, adds X-Forwarded-*, passes the path on as it is. */
export async function startIngress(rule: IngressRule, ports: Record<string, number>): Promise<Ingress> {
  const made = await generate([{ name: 'commonName', value: rule.host }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 86_400_000),
    notAfterDate: new Date(Date.now() + 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: rule.host }] },
    ],
  });
  const to = ports[rule.service];
  if (to === undefined)
    throw new Error(`the Ingress leads to the Service ${rule.service}, which nobody plays`);
  const ingress: Ingress = { port: 0, ca: made.cert, rewrite: (headers) => headers };
  const isBelow = (url: string) =>
    rule.path === '/' ||
    url === rule.path ||
    url.startsWith(`${rule.path}/`) ||
    url.startsWith(`${rule.path}?`);
  const server = createServer(
    { key: made.private, cert: made.cert, maxHeaderSize: 64 * 1024 },
    (request, response) => {
      const { host = '' } = request.headers;
      if (host !== rule.host || !isBelow(request.url ?? '')) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('default backend - 404');
        return;
      }
      const headers = {
        ...ingress.rewrite(request.headers),
        'x-forwarded-for': request.socket.remoteAddress,
        'x-forwarded-host': host,
        'x-forwarded-proto': 'https',
      };
      const { url: path, method } = request;
      const forwarded = send(
        { host: '127.0.0.1', port: to, path, method, headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      forwarded.on('error', (error) => response.writeHead(502).end(String(error)));
      request.pipe(forwarded);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(ingress, { port: (server.address() as AddressInfo).port });
}
