import { connect, type Socket } from 'node:net';
import type { App } from '../../src/http/server/app.ts';

export interface WireAnswer {
  readonly version: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Reads responses from a connection, one after the other; anything that does not parse is an error. */
export function parseAnswers(text: string, head = false): WireAnswer[] {
  const answers: WireAnswer[] = [];
  let rest = Buffer.from(text, 'latin1');
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`no end of headers in ${JSON.stringify(rest.toString())}`);
    const [first, ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const match = /^HTTP\/(\d\.\d) (\d{3}) /.exec(first as string);
    if (match === null) throw new Error(`no status line in ${JSON.stringify(rest.toString())}`);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const at = line.indexOf(': ');
        return [line.slice(0, at).toLowerCase(), line.slice(at + 2)];
      }),
    );
    const status = Number(match[2]);
    rest = rest.subarray(end + 4);
    if (status === 100) continue;
    const length = head ? 0 : Number(headers['content-length']);
    if (!Number.isInteger(length)) throw new Error(`no content-length in ${lines.join()}`);
    answers.push({ version: match[1] as string, status, headers, body: rest.subarray(0, length).toString() });
    rest = rest.subarray(length);
  }
  return answers;
}

export function portOf(app: App): number {
  return (app.server.address() as { port: number }).port;
}

export interface Wire {
  readonly socket: Socket;
  /** All that has arrived, as latin1. */
  readonly received: () => string;
  /** Resolves when this many responses are complete. */
  readonly answers: (count: number) => Promise<WireAnswer[]>;
  /** Resolves with all data when the other side has closed. */
  readonly closed: Promise<string>;
  /** The code of the error that ended the connection, such as ECONNRESET. */
  readonly error: () => string | undefined;
}

/** A raw connection to the app. With `allowHalfOpen` it can still send after the other side has ended. */
export function dial(
  port: number,
  bytes: string | Buffer = '',
  options: { readonly allowHalfOpen?: boolean } = {},
): Wire {
  let received = '';
  let changed = () => {};
  const socket = connect({ port, host: '127.0.0.1', ...options });
  if (bytes.length > 0) socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    changed();
  });
  let error: string | undefined;
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    error = code;
  });
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(received)));
  return {
    socket,
    received: () => received,
    closed,
    error: () => error,
    answers: (count) =>
      new Promise((resolve, reject) => {
        const look = () => {
          let answers: WireAnswer[] = [];
          try {
            answers = parseAnswers(received);
          } catch {
            // Not complete yet.
          }
          if (answers.length >= count) resolve(answers);
        };
        changed = look;
        closed.then(() => reject(new Error(`closed after ${JSON.stringify(received)}`)));
        look();
      }),
  };
}
