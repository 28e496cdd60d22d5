import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A span received by OTLP/HTTP, with its attributes as an object. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Receiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** All received requests, unchanged. */
  readonly bodies: string[];
  readonly paths: (string | undefined)[];
}

const accept = (response: ServerResponse) => {
  response.setHeader('content-type', 'application/json');
  response.end('{}');
};

/** A collector on loopback; `answer` is its response to every batch. */
export async function startReceiver(answer: (response: ServerResponse) => void = accept): Promise<Receiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const paths: (string | undefined)[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    bodies.push(body);
    paths.push(request.url);
    for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
      for (const { spans: some } of scopeSpans) {
        for (const span of some) {
          spans.push({
            ...span,
            attributes: plain(span.attributes),
            resource: plain(resource.attributes),
          });
        }
      }
    }
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, bodies, paths };
}

function plain(attributes: readonly { key: string; value: Record<string, unknown> }[]) {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.intValue === undefined ? Object.values(value)[0] : Number(value.intValue),
    ]),
  );
}
