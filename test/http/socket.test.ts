import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Bench, bench, healthy, isRecent, snapshotOf } from './fixture.ts';
import { dial, parseAnswers, portOf, type WireAnswer } from './wire.ts';

/** Whatever is thrown at the port, what comes back is one JSON object: Argo takes anything else for something else. */

let gate: Bench;
let port: number;

beforeAll(async () => {
  gate = await bench();
  await gate.app.listen({ port: 0, host: '127.0.0.1' });
  port = portOf(gate.app);
});
afterAll(async () => {
  gate.app.server.closeAllConnections();
  await gate.app.close();
});

function jsonOf(answer: WireAnswer | undefined): Record<string, unknown> {
  expect(answer).toBeDefined();
  const { headers, body } = answer as WireAnswer;
  expect(headers['content-type']).toMatch(/^application\/(problem\+)?json; charset=utf-8$/);
  expect(body.endsWith('}\n')).toBe(true);
  const value: unknown = JSON.parse(body);
  expect(value).toBeTypeOf('object');
  expect(value).not.toBeNull();
  return value as Record<string, unknown>;
}

const host = 'Host: gate\r\n';
const close = 'Connection: close\r\n';
const question = '/cujs/pay/status?role=canary';

it.each([
  ['garbage', 'GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\ngarbage\r\n\r\n', 2],
  ['a URL that is too long', `GET /${'x'.repeat(40_000)}`, 1],
])('a client that is still sending %s reads the refusal, and is not reset', async (_, bytes, count) => {
  const wire = dial(port, bytes, { allowHalfOpen: true });
  const errors: Error[] = [];
  wire.socket.on('error', (error) => errors.push(error));
  await new Promise((resolve) => wire.socket.once('end', resolve));
  for (let i = 0; i < 20; i += 1) {
    wire.socket.write('x'.repeat(10_000));
    await new Promise(setImmediate);
  }
  wire.socket.end();
  const answers = parseAnswers(await wire.closed);
  expect(answers).toHaveLength(count);
  jsonOf(answers.at(-1));
  expect(errors).toEqual([]);
});

it.each([question, '/cujs/nothing/status'])('a fragment after %s is not logged', async (path) => {
  await dial(port, `GET ${path}#token=hunter2 HTTP/1.1\r\n${host}${close}\r\n`).closed;
  expect(gate.log).toContainEqual(expect.objectContaining({ msg: 'refused', url: `${path}#[redacted]` }));
  expect(JSON.stringify(gate.log)).not.toContain('hunter2');
});

it('a client that never stops sending is disconnected', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const wire = dial(port, 'garbage\r\n\r\n', { allowHalfOpen: true });
  const drip = setInterval(() => wire.socket.write('x'), 1);
  onTestFinished(() => clearInterval(drip));
  await wire.answers(1);
  await vi.advanceTimersByTimeAsync(1_999);
  expect(wire.socket.destroyed).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(parseAnswers(await wire.closed)).toHaveLength(1);
});

it('a half-said HTTP/2 preface behind other requests takes none of their answers away', async () => {
  const sound = `GET /nothing HTTP/1.1\r\n${host}\r\nGET /cujs?pretty HTTP/1.1\r\n${host}\r\n`;
  const wire = dial(port, `${sound}PRI /cujs\r\n${host}\r\n`);
  wire.socket.end();
  const answers = parseAnswers(await wire.closed);
  expect(answers.map(({ status }) => status)).toEqual([404, 200, 400]);
  for (const answer of answers) jsonOf(answer);
});

it('a request has 10 s to arrive where nothing else is said', async () => {
  const { app } = await bench();
  expect(app.server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 10_000 });
});

describe('a connection that is closed after one answer', () => {
  it.each<[string, string | Buffer, number, string]>([
    [
      'a raw space in the URL',
      `GET /cujs/pay/status?role=my canary HTTP/1.1\r\n${host}\r\n`,
      400,
      'malformed_request',
    ],
    [
      'a path that is not ASCII',
      Buffer.from(`GET /cujs/ログイン/status HTTP/1.1\r\n${host}\r\n`),
      400,
      'malformed_request',
    ],
    [
      'a query that is not ASCII',
      Buffer.from(`GET ${question}ログイン HTTP/1.1\r\n${host}\r\n`),
      400,
      'malformed_request',
    ],
    [
      'a path that cannot be decoded',
      `GET /cujs/%zz/status HTTP/1.1\r\n${host}${close}\r\n`,
      400,
      'malformed_request',
    ],
    [
      'a path of broken UTF-8',
      `GET /cujs/%ff/status HTTP/1.1\r\n${host}${close}\r\n`,
      400,
      'malformed_request',
    ],
    [
      'a query that cannot be decoded',
      `GET /cujs/pay/status?role=%zz HTTP/1.1\r\n${host}${close}\r\n`,
      400,
      'invalid_request',
    ],
    [
      'a name that is too long',
      `GET /cujs/${'x'.repeat(600)}/status HTTP/1.1\r\n${host}${close}\r\n`,
      414,
      'uri_too_long',
    ],
    ['a URL that is too long', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, 414, 'uri_too_long'],
    [
      'headers that are too large',
      `GET /healthz HTTP/1.1\r\n${host}X-Big: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'many headers',
      `GET /healthz HTTP/1.1\r\n${host}${'X-Header: some value\r\n'.repeat(1_500)}\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'a version of HTTP that there is not',
      `GET /healthz HTTP/7.5\r\n${host}\r\n`,
      505,
      'http_version_not_supported',
    ],
    ['a fragment', `GET ${question}#top HTTP/1.1\r\n${host}${close}\r\n`, 400, 'invalid_request'],
    ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'http_version_not_supported'],
    ['a method that there is not', `FROB /healthz HTTP/1.1\r\n${host}\r\n`, 400, 'malformed_request'],
    ['a header without a name', `GET /healthz HTTP/1.1\r\n${host}: x\r\n\r\n`, 400, 'malformed_request'],
    [
      'a header with a control character',
      `GET /healthz HTTP/1.1\r\n${host}X-A: a\u0000b\r\n\r\n`,
      400,
      'malformed_request',
    ],
    [
      'two lengths',
      `GET /healthz HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      400,
      'malformed_request',
    ],
    [
      'a length and chunks',
      `POST /healthz HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
      'malformed_request',
    ],
    ['two Hosts', `GET /healthz HTTP/1.1\r\n${host}${close}Host: gate\r\n\r\n`, 400, 'malformed_request'],
    [
      'two Hosts on the way to nowhere',
      `GET /x HTTP/1.0\r\n${host}hOST: b\r\n\r\n`,
      400,
      'malformed_request',
    ],
    ['a Host with a path', `GET /healthz HTTP/1.1\r\nHost: a/b\r\n${close}\r\n`, 400, 'malformed_request'],
    ['no Host', `GET /healthz HTTP/1.1\r\n${close}\r\n`, 400, 'malformed_request'],
    ['a TLS handshake', Buffer.from('16030100c8010000c40303', 'hex'), 400, 'malformed_request'],
    ['noise', Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]), 400, 'malformed_request'],
    [
      'an Expect that cannot be met',
      `GET ${question} HTTP/1.1\r\n${host}Expect: 200-ok\r\n\r\n`,
      417,
      'expectation_failed',
    ],
    ['CONNECT', `CONNECT example.com:443 HTTP/1.1\r\n${host}\r\n`, 405, 'method_not_allowed'],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${host}${close}\r\n`, 404, 'not_found'],
    ['GET *', `GET * HTTP/1.1\r\n${host}${close}\r\n`, 404, 'not_found'],
    ['TRACE', `TRACE /healthz HTTP/1.1\r\n${host}${close}\r\n`, 405, 'method_not_allowed'],
    ['PROPFIND', `PROPFIND /cujs HTTP/1.1\r\n${host}${close}\r\n`, 405, 'method_not_allowed'],
    ['QUERY', `QUERY /cujs HTTP/1.1\r\n${host}${close}\r\n`, 405, 'method_not_allowed'],
    [
      'a POST with a body that is no JSON',
      `POST /cujs HTTP/1.1\r\n${host}${close}Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{{{`,
      405,
      'method_not_allowed',
    ],
    [
      'a POST with a body of an unknown type',
      `POST /cujs HTTP/1.1\r\n${host}${close}Content-Type: \u0001\r\nContent-Length: 3\r\n\r\nabc`.replace(
        '\u0001',
        'no/such;;',
      ),
      405,
      'method_not_allowed',
    ],
    [
      'a POST whose body never comes',
      `POST /cujs HTTP/1.1\r\n${host}${close}Content-Length: 300000000\r\n\r\nabc`,
      405,
      'method_not_allowed',
    ],
    [
      'a POST to nowhere',
      `POST /verdicts HTTP/1.1\r\n${host}${close}Content-Length: 0\r\n\r\n`,
      404,
      'not_found',
    ],
    [
      'an absolute target elsewhere',
      `GET http://other.example/nothing HTTP/1.1\r\n${host}${close}\r\n`,
      404,
      'not_found',
    ],
    ['a path up and out', `GET /../../etc/passwd HTTP/1.1\r\n${host}${close}\r\n`, 404, 'not_found'],
    ['two slashes', `GET //cujs HTTP/1.1\r\n${host}${close}\r\n`, 404, 'not_found'],
    ['an empty name', `GET /cujs//status?role=x HTTP/1.1\r\n${host}${close}\r\n`, 404, 'cuj_not_found'],
    [
      'a name that looks like a prototype',
      `GET /cujs/__proto__/status HTTP/1.1\r\n${host}${close}\r\n`,
      404,
      'cuj_not_found',
    ],
  ])('answers %s with a problem document', async (_, bytes, status, code) => {
    refuses(await dial(port, bytes).closed, status, code);
  });

  it('does not take a piece of a header for a URL', async () => {
    const start = `GET /healthz HTTP/1.1\r\n${host}`;
    const wire = dial(port, `${start}\r\n${start}Authorization: Bearer ${'y'.repeat(10_000)}`);
    // By then the first piece has been read, with the answer to the request before it.
    await wire.answers(1);
    wire.socket.write('y'.repeat(10_000));
    const [, answer] = await wire.answers(2);
    expect(jsonOf(answer)).toMatchObject({ status: 431, code: 'headers_too_large' });
  });

  it.each([
    ['half of a request', 'GET /cujs/pay/sta'],
    ['headers without an end', `GET /healthz HTTP/1.1\r\n${host}X-Slow: `],
  ])('answers %s when its time is over', async (_, bytes) => {
    const { app } = await bench({ arrival: { timeoutMs: 100, checkEveryMs: 20 } });
    onTestFinished(() => app.close());
    await app.listen({ port: 0, host: '127.0.0.1' });
    refuses(await dial(portOf(app), bytes).closed, 408, 'request_timeout');
  });

  function refuses(text: string, status: number, code: string): void {
    const answers = parseAnswers(text);
    expect(answers).toHaveLength(1);
    expect(jsonOf(answers[0])).toMatchObject({ status, code, type: 'about:blank' });
    expect(answers[0]).toMatchObject({ status, version: '1.1' });
    expect(jsonOf(answers[0])).toMatchObject({
      detail: expect.stringMatching(/./),
      hint: expect.stringMatching(/./),
    });
  }

  it.each([
    ['HTTP/1.0', `GET ${question} HTTP/1.0\r\n\r\n`],
    ['an absolute target', `GET http://gate${question} HTTP/1.1\r\n${host}${close}\r\n`],
    ['a body on a GET', `GET ${question} HTTP/1.1\r\n${host}${close}Content-Length: 7\r\n\r\n{"a":1}`],
    [
      'a chunked body on a GET',
      `GET ${question} HTTP/1.1\r\n${host}${close}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    ],
    [
      'an upgrade to WebSocket',
      `GET ${question} HTTP/1.1\r\n${host}Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    ],
    ['Expect: 100-continue', `GET ${question} HTTP/1.1\r\n${host}${close}Expect: 100-continue\r\n\r\n`],
    ['percent-encoded letters', `GET /cujs/p%61y/status?r%6fle=canary HTTP/1.1\r\n${host}${close}\r\n`],
    ['HTTP/0.9', `GET ${question}\r\n\r\n`],
  ])('answers %s with a verdict', async (_, bytes) => {
    const answers = parseAnswers(await dial(port, bytes).closed);
    expect(answers).toHaveLength(1);
    expect(answers[0]?.status).toBe(200);
    expect(jsonOf(answers[0])).toMatchObject({ verdict: 'pass', cuj: 'pay', canary: 'role:canary' });
  });

  it('gives 405 with Allow', async () => {
    const [answer] = parseAnswers(
      await dial(port, `DELETE /cujs/pay HTTP/1.1\r\n${host}${close}\r\n`).closed,
    );
    expect(answer?.headers.allow).toBe('GET, HEAD');
  });

  it('gives a HEAD the headers of its GET and no body', async () => {
    const get = parseAnswers(await dial(port, `GET ${question} HTTP/1.1\r\n${host}${close}\r\n`).closed);
    const head = parseAnswers(
      await dial(port, `HEAD ${question} HTTP/1.1\r\n${host}${close}\r\n`).closed,
      true,
    );
    expect(head).toHaveLength(1);
    const { date: _a, 'x-request-id': _b, ...expected } = (get[0] as WireAnswer).headers;
    expect(head[0]?.headers).toMatchObject(expected);
  });
});

describe('a connection that is kept', () => {
  it('answers pipelined requests in their order', async () => {
    const urls = [question, '/nothing', '/healthz', '/cujs/%zz', '/registry'];
    const wire = dial(port, urls.map((url) => `GET ${url} HTTP/1.1\r\n${host}\r\n`).join(''));
    const answers = await wire.answers(urls.length);
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200, 400, 200]);
    for (const answer of answers) jsonOf(answer);
    wire.socket.destroy();
  });

  it('skips the body of a GET and answers what comes after it', async () => {
    const wire = dial(
      port,
      `GET /healthz HTTP/1.1\r\n${host}Content-Length: 24\r\n\r\nGET /evil HTTP/1.1\r\n\r\n\r\nGET /registry HTTP/1.1\r\n${host}\r\n`,
    );
    const answers = await wire.answers(2);
    expect(answers.map((answer) => jsonOf(answer).summary)).toEqual(['alive', '4 CUJs from 1 file']);
    wire.socket.destroy();
  });

  it('answers all that was asked before a request that cannot be read', async () => {
    const urls = ['/healthz', '/registry', '/nothing', '/healthz'];
    const sound = urls.map((url) => `GET ${url} HTTP/1.1\r\n${host}\r\n`).join('');
    const answers = parseAnswers(await dial(port, `${sound}FROB / HTTP/1.1\r\n${host}\r\n`).closed);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 200, 400]);
  });

  it('answers what was asked before a request that cannot be read, and that one last', async () => {
    const { measure } = gate.world;
    let measured = () => {};
    const asked = new Promise<void>((resolve) => {
      gate.world.measure = async (query) => {
        if (!isRecent(query)) return snapshotOf(query, healthy, healthy);
        resolve();
        return new Promise((answer) => {
          measured = () => answer(snapshotOf(query, healthy, healthy));
        });
      };
    });
    const wire = dial(
      port,
      `GET /cujs/pay/status?role=late HTTP/1.1\r\n${host}\r\nFROB / HTTP/1.1\r\n${host}\r\n`,
    );
    await asked;
    gate.world.measure = measure;
    // The refusal is due by now, and would be taken for the answer to the first request.
    await new Promise((resolve) => setImmediate(resolve));
    expect(wire.received()).toBe('');
    measured();
    const answers = parseAnswers(await wire.closed);
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
    expect(jsonOf(answers[0])).toMatchObject({ verdict: 'pass', canary: 'role:late' });
    expect(jsonOf(answers[1])).toMatchObject({ code: 'malformed_request' });
  });
});

it('a request of HTTP/1.0 in chunks is refused, and nothing after it is answered', async () => {
  const chunked = `GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
  const answers = parseAnswers(await dial(port, `${chunked}GET /smuggled HTTP/1.1\r\n${host}\r\n`).closed);
  expect(answers.map(({ status }) => status)).toEqual([400]);
});

describe('headers of the canary', () => {
  const ask = async (headers: string) => {
    const wire = dial(port, `GET /cujs/pay/status HTTP/1.1\r\n${host}${close}${headers}\r\n`);
    return jsonOf(parseAnswers(await wire.closed)[0]);
  };

  it('are taken as they are, encoded in no way', async () => {
    expect(await ask('X-CANARY-Role: My Canary/+%41\r\n')).toMatchObject({ canary: 'role:my_canary/_41' });
  });

  it('are refused where they come twice, which node:http would join', async () => {
    expect(await ask('X-Canary-Role: a\r\nx-canary-role: b\r\n')).toMatchObject({
      code: 'invalid_request',
      detail: 'The header X-Canary-Role is given more than once.',
    });
  });

  it('are refused where they hold bytes outside ASCII', async () => {
    expect(await ask('X-Canary-Role: caf\xe9\r\n')).toMatchObject({
      code: 'invalid_request',
      parameter: 'role',
    });
  });
});

describe('a body of which two readers could think two lengths', () => {
  // A proxy before the gate that reads it otherwise would let a caller put a request into another one's connection.
  it.each([
    'Content-Length: 0\r\nContent-Length: 44',
    'Content-Length: 44\r\nTransfer-Encoding: chunked',
    'Content-Length: +44',
    'Content-Length: 0x2c',
    'Content-Length: 44, 0',
    'Content-Length : 44',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding:\r\n chunked',
    'X-Folded: a\r\n Content-Length: 44',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  ])('is refused, and nothing after it is answered: %j', async (framing) => {
    const wire = dial(port);
    wire.socket.write(
      `GET /healthz HTTP/1.1\r\n${host}${framing}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n${host}\r\n`,
    );
    const answers = parseAnswers(await wire.closed);
    expect(answers.map(({ status }) => status)).toEqual([400]);
    expect(jsonOf(answers[0])).toMatchObject({ code: 'malformed_request' });
  });
});
