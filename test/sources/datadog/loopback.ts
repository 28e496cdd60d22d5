import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Reply = (response: ServerResponse, request: Received) => void;

/** A server on loopback that records requests and sends the given replies; the last reply repeats. */
export class Loopback {
  readonly requests: Received[] = [];
  sockets = 0;
  url = '';
  #replies: Reply[] = [];
  readonly #server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const received = { method, path: url, headers, body };
      this.requests.push(received);
      const reply = this.#replies.length > 1 ? this.#replies.shift() : this.#replies[0];
      if (reply === undefined) throw new Error('no reply was scripted');
      reply(response, received);
    });
  });

  async listen(): Promise<void> {
    this.#server.keepAliveTimeout = 0;
    this.#server.on('connection', () => {
      this.sockets += 1;
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  reply(...replies: Reply[]): void {
    this.#replies = replies;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export function respond(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** Accepts the request and never answers. */
export const hang: Reply = () => {};

/** Breaks the connection instead of answering. */
export const breakOff: Reply = (response) => {
  response.socket?.destroy();
};

export interface Exchange {
  readonly request: { readonly method: string; readonly url: string; readonly body: unknown };
  readonly response: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body: unknown;
  };
}

/** The exchanges of a recording under testdata/datadog-recordings. */
export function recording(file: string): readonly Exchange[] {
  const url = new URL(`../../testdata/datadog-recordings/${file}`, import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { exchanges: Exchange[] }).exchanges;
}

export function replay({ response }: Exchange): Reply {
  return respond(response.status, response.body, response.headers);
}
