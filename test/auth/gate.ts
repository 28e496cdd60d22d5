import { EventEmitter, once } from 'node:events';
import { request as http } from 'node:http';
import { request as https, type RequestOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import { listen } from '../../src/server/lifecycle.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { healthy, snapshotOf } from '../http/fixture.ts';

const registry = fileURLToPath(new URL('../../config/cujs.yaml', import.meta.url));
const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40) };

export const question = '/cujs/signup/status?version=v2';

export function settingsOf(env: Record<string, string>) {
  return readSettings({ ...keys, CUJ_GATE_REGISTRY: registry, HOST: '127.0.0.1', PORT: '0', ...env });
}

/** A gate on loopback with a healthy source. Its credential files are polled every 5 ms. */
export async function startGate(env: Record<string, string>) {
  const lines: Record<string, unknown>[] = [];
  const news = new EventEmitter();
  const logger = pino(
    { level: 'debug', base: null },
    {
      write(line: string) {
        lines.push(JSON.parse(line));
        news.emit('line');
      },
    },
  );
  const { gate, url, adminUrl } = await listen(settingsOf(env), {
    logger,
    source: { measure: async (query) => snapshotOf(query, healthy, healthy) },
    credentialsEveryMs: 5,
  });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= gate.close();
    return closed;
  };
  onTestFinished(close);
  return {
    gate,
    close,
    url,
    adminUrl: adminUrl as string,
    lines,
    /** Resolves with the n-th log line of a message. */
    async logged(msg: string, nth = 1): Promise<Record<string, unknown>> {
      for (;;) {
        const found = lines.filter((line) => line.msg === msg)[nth - 1];
        if (found !== undefined) return found;
        await once(news, 'line');
      }
    },
  };
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly tls: { readonly protocol: string | null; readonly name: unknown } | undefined;
}

/** Sends one request on a new connection. Rejects if the connection fails. */
export function ask(url: string, options: RequestOptions = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http)(
      url,
      { agent: false, ...options },
      (response) => {
        const socket = response.socket as Partial<TLSSocket>;
        const tls =
          socket.getProtocol === undefined || socket.getPeerCertificate === undefined
            ? undefined
            : { protocol: socket.getProtocol(), name: socket.getPeerCertificate().subject.CN };
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode as number, headers: response.headers, text, tls }),
        );
      },
    );
    request.on('error', reject);
    request.end();
  });
}
