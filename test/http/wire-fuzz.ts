import { dial, parseAnswers, type WireAnswer } from './wire.ts';

/** Malformed requests: drawn from a grammar, then with changed bytes. The same draws give the same bytes. */

export interface WireCase {
  readonly bytes: Buffer;
  /** The pieces in which the bytes are sent. */
  readonly cuts: readonly number[];
  /** The number of unchanged requests in it: the minimum number of responses. */
  readonly sound: number;
}

type Draw = () => number;

const methods = [
  'GET',
  'GET',
  'GET',
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'QUERY',
  'CONNECT',
  'TRACE',
  'PRI',
  'get',
  'G\u00cbT',
  '',
];
const targets = [
  '/healthz',
  '/readyz?pretty',
  '/cujs',
  '/cujs/like/status',
  '/cujs/like/status?version=%',
  '/cujs/%2e%2e/status?version=1',
  '/cujs/like/status?version=a#b',
  '/services/a/status?version=\u00e9',
  '//',
  '/..//..//etc/passwd',
  '*',
  'http://elsewhere/healthz',
  '/%00',
  '/cujs/%ff',
  '/cujs/%c0%af/status',
  '/cujs/__proto__/status?__proto__=1&constructor=2',
  '/cujs/like/status;version=1',
  `/${'a/'.repeat(3000)}`,
  `/cujs?${'a=b&'.repeat(5000)}`,
  'no-slash',
  '/cujs/a b',
];
const protocols = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.',
  'ICY/1.0',
  '',
];
const headers = [
  'X-Canary-Version: v1',
  'X-Canary-Version: ',
  'X-Canary-Version: \u00ff',
  'X-Canary-\u00e9: 1',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Content-Length: 0, 0',
  'Content-Length: +5',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 5\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: chunked, identity',
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk',
  'Host: elsewhere',
  `${'a: b\r\n'.repeat(2_500)}a: b`,
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, identity',
  'Expect: 100-continue',
  'Expect: cake',
  'Connection: upgrade\r\nUpgrade: websocket',
  'Connection: close',
  'Connection: keep-alive, close, \u0001',
  'Authorization: Bearer',
  ' folded: line',
  'no colon',
  ': no name',
  `X-Long: ${'y'.repeat(20_000)}`,
  'Accept: text/html',
  'If-None-Match: *',
  'Range: bytes=5-1',
];
const bodies = [
  '',
  '',
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  'zz\r\nhello',
  '\r\n\r\n',
  '{"a":',
  '\u0000'.repeat(40),
];

/** A request that every server must answer. */
const sound = [
  '/healthz',
  '/readyz',
  '/cujs?pretty',
  '/cujs/nobody/status?version=1',
  '/nothing',
  '/registry',
];

const pick = <T>(draw: Draw, from: readonly T[]): T => from[Math.floor(draw() * from.length)] as T;

function spoiledRequest(draw: Draw): string {
  const lines = [`${pick(draw, methods)} ${pick(draw, targets)} ${pick(draw, protocols)}`.trim()];
  if (draw() < 0.8) lines.push('Host: gate');
  while (draw() < 0.55) lines.push(pick(draw, headers));
  const end = draw() < 0.1 ? '\n' : '\r\n';
  const text = `${lines.join(end)}${end}${draw() < 0.1 ? '' : end}${pick(draw, bodies)}`;
  return draw() < 0.5 ? text : spoiledBytes(draw, text);
}

function spoiledBytes(draw: Draw, text: string): string {
  let out = text;
  for (let times = 1 + Math.floor(draw() * 4); times > 0; times -= 1) {
    const at = Math.floor(draw() * out.length);
    const length = Math.floor(draw() * 6);
    const insert = pick(draw, [
      '',
      '\u0000',
      '\r',
      '\n',
      '\r\n\r\n',
      ' ',
      ':',
      '\u00ff',
      out.slice(at, at + length),
    ]);
    out = out.slice(0, at) + insert + out.slice(draw() < 0.5 ? at : at + length);
  }
  return out;
}

export function wireCase(draw: Draw): WireCase {
  let text = '';
  let count = 0;
  while (draw() < 0.6 && count < 4) {
    text += `GET ${pick(draw, sound)} HTTP/1.1\r\nHost: gate\r\n\r\n`;
    count += 1;
  }
  if (count === 0 || draw() < 0.7) text += spoiledRequest(draw);
  const bytes = Buffer.from(text, 'latin1');
  const cuts = draw() < 0.3 ? [Math.floor(draw() * bytes.length), Math.floor(draw() * bytes.length)] : [];
  return { bytes, cuts: cuts.sort((a, b) => a - b), sound: count };
}

/**
 * Sends a case, ends its own side, and reads until the other side closes. Returns the problems of the responses: each must
 * be complete, and its body a JSON object, or a page where one of the requests names it.
 */
export async function tryOnWire(port: number, { bytes, cuts, sound: least }: WireCase): Promise<string[]> {
  const startedMs = performance.now();
  const wire = dial(port);
  wire.socket.setNoDelay(true);
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    if (!wire.socket.destroyed) wire.socket.write(bytes.subarray(from, to));
    from = to;
    if (to < bytes.length) await new Promise(setImmediate);
  }
  wire.socket.end();
  const received = await wire.closed;
  let answers: WireAnswer[];
  try {
    answers = parseAnswers(received);
  } catch (error) {
    return [`unreadable: ${(error as Error).message.slice(0, 300)}`];
  }
  const mayBePage = bytes.includes('text/html');
  const wrong = answers.flatMap((answer) => {
    if (answer.status >= 500 && ![503, 505].includes(answer.status)) return [`status ${answer.status}`];
    if (mayBePage && /^<!doctype html>\n.*<\/html>\n$/s.test(answer.body)) return [];
    return isObject(answer.body) ? [] : [`${answer.status} with the body ${answer.body.slice(0, 200)}`];
  });
  if (answers.length < least) {
    const ms = Math.round(performance.now() - startedMs);
    const how = `${wire.error() ?? 'closed'} after ${ms} ms, ${wire.socket.bytesWritten} of ${bytes.length} bytes sent`;
    wrong.push(`${answers.length} answers to ${least} sound requests (${how})`);
  }
  return wrong;
}

function isObject(text: string): boolean {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
