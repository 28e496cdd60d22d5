import { once } from 'node:events';
import { Agent, createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is answered in place of a metrics backend. */
export type Refusal =
  | { readonly kind: 'rate_limited'; readonly resetSeconds: number }
  | { readonly kind: 'status'; readonly status: number }
  /** Nothing, while the connection stays. */
  | { readonly kind: 'hang' };

/** A proxy as companies have them before Prometheus, for the queries of all. */
export interface RefusingProxy {
  readonly url: string;
  /** How many queries it has answered itself, or not at all. The list of Thanos' stores, which a gate asks for beside a query, is none. */
  readonly refused: () => number;
  /** Refuses every request until the returned function is called. */
  refuse(refusal: Refusal): () => void;
  stop(): Promise<void>;
}

export async function startRefusingProxy(backend: string): Promise<RefusingProxy> {
  const { hostname, port } = new URL(backend);
  const agent = new Agent({ keepAlive: true });
  let refusal: Refusal | undefined;
  let refused = 0;
  const server = createServer((incoming, response) => {
    if (refusal !== undefined) {
      if (incoming.url?.endsWith('/api/v1/query')) refused += 1;
      incoming.resume();
      refuse(response, refusal);
      return;
    }
    const { method, url: path, headers } = incoming;
    const forwarded = request({ agent, hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refused: () => refused,
    refuse(next) {
      refusal = next;
      return () => {
        refusal = undefined;
      };
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  if (refusal.kind === 'rate_limited')
    response.writeHead(429, { 'retry-after': String(refusal.resetSeconds) }).end('too many requests');
  else if (refusal.kind === 'status') response.writeHead(refusal.status).end('refused');
}
