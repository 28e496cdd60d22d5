import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { selectorText } from '../../src/domain/registry/selector.ts';
import { type App, buildApps } from '../../src/http/server/app.ts';
import { maxWaiting } from '../../src/http/server/pipelines.ts';
import type { AppPorts } from '../../src/http/server/ports.ts';
import { certificate } from '../auth/certificates.ts';
import { type Bench, bench, healthy, isRecent, nowMs, snapshotOf } from './fixture.ts';
import { dial, parseAnswers, portOf } from './wire.ts';

/** What one connection can make the gate hold. */

async function listening(options: Partial<AppPorts> = {}): Promise<Bench & { readonly port: number }> {
  const gate = await bench(options);
  await gate.app.listen({ port: 0, host: '127.0.0.1' });
  onTestFinished(async () => {
    gate.app.server.closeAllConnections();
    await gate.app.close();
  });
  return { ...gate, port: portOf(gate.app) };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: gate\r\n\r\n`;
const question = (role: string) => get(`/cujs/pay/status?role=${role}`);

/** Lets questions wait until they are let go, and says which were asked. */
function holdQuestions({ world }: Bench) {
  const asked: string[] = [];
  const held: (() => void)[] = [];
  world.measure = async (query) => {
    if (!isRecent(query)) return snapshotOf(query, healthy, healthy);
    asked.push(selectorText(query.canary));
    return new Promise((resolve) => held.push(() => resolve(snapshotOf(query, healthy, healthy))));
  };
  return { asked, letGo: () => held.shift()?.() };
}

const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise(setImmediate);
};

describe('a client that ends its side once it has asked', () => {
  it.each([
    ['one request', question('a'), [200]],
    ['requests in a row', question('a') + get('/nothing') + question('b'), [200, 404, 200]],
    [
      'a request that cannot be read',
      `${question('a') + question('b')}FROB / HTTP/1.1\r\n\r\n`,
      [200, 200, 400],
    ],
    ['half a request', `${question('a') + question('b')}GET /cujs HTT`, [200, 200, 400]],
    [
      'a request with a body that is not read',
      `${question('a')}PATCH /cujs HTTP/1.1\r\nHost: gate\r\nContent-Length: 5\r\n\r\nhello`,
      [200, 405],
    ],
  ])('gets the answers, also those that are made later, to %s', async (_, bytes, statuses) => {
    const gate = await listening();
    const { asked, letGo } = holdQuestions(gate);
    const wire = dial(gate.port, bytes);
    wire.socket.end();
    const [socket] = (await once(gate.app.server, 'connection')) as [Socket];
    await until(() => socket.readableEnded);
    const questions = statuses.filter((status) => status === 200).length;
    for (let answered = 0; answered < questions; answered += 1) {
      await until(() => asked.length > answered || wire.socket.destroyed);
      letGo();
    }
    const answers = parseAnswers(await wire.closed);
    expect(answers.map(({ status }) => status)).toEqual(statuses);
  });

  it('gets them over TLS, too', async () => {
    const { cert, key } = await certificate('gate');
    const gate = await listening({ tls: { cert, key } });
    const { asked, letGo } = holdQuestions(gate);
    const wire = connectTls({ port: gate.port, host: '127.0.0.1', rejectUnauthorized: false });
    let received = '';
    wire.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    const closed = once(wire, 'close');
    wire.end(question('a') + get('/nothing'));
    const [socket] = (await once(gate.app.server, 'secureConnection')) as [Socket];
    await until(() => socket.readableEnded);
    await until(() => asked.length > 0 || socket.destroyed);
    letGo();
    await closed;
    expect(parseAnswers(received).map(({ status }) => status)).toEqual([200, 404]);
  });
});

describe('a client that sends more after the last answer of a connection', () => {
  it.each([
    ['a request that asks to close', `GET /healthz HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n`],
    ['a request of HTTP/1.0', 'GET /healthz HTTP/1.0\r\n\r\n'],
    ['a request without a version', 'GET /healthz\r\n\r\n'],
  ])('is not reset, and reads that answer: %s', async (_, last) => {
    const gate = await listening();
    const wire = dial(gate.port, get('/healthz') + last);
    wire.socket.pause();
    const [socket] = (await once(gate.app.server, 'connection')) as [Socket];
    await until(() => socket.writableFinished);
    // A reset would come after the first, and end the connection of a client that writes again before it reads.
    for (const more of ['thz HTTP/0', '.9\r\n', get('/healthz')]) {
      await new Promise((resolve) => wire.socket.write(more, resolve));
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    }
    wire.socket.resume();
    const answers = parseAnswers(await wire.closed);
    expect([wire.error(), answers.length]).toEqual([undefined, 2]);
  });
});

describe('requests that are sent before the answer to the one before is read', () => {
  it('are answered in turn: the next is begun when the one before is answered', async () => {
    const gate = await listening();
    const { asked, letGo } = holdQuestions(gate);
    const wire = dial(gate.port, question('a') + question('b') + get('/nothing') + question('c'));
    await until(() => asked.length > 0);
    await gate.app.inject('/healthz');
    expect(asked).toEqual(['role:a']);
    letGo();
    await until(() => asked.length > 1);
    expect(asked).toEqual(['role:a', 'role:b']);
    letGo();
    await until(() => asked.length > 2);
    letGo();
    const answers = await wire.answers(4);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 200]);
    wire.socket.destroy();
  });

  it(`close the connection when more than ${maxWaiting} of them wait, and no other one`, async () => {
    const gate = await listening();
    const { asked, letGo } = holdQuestions(gate);
    const honest = dial(gate.port, question('honest') + get('/nothing').repeat(maxWaiting));
    await until(() => asked.length === 1);
    const greedy = dial(gate.port, question('greedy') + get('/metrics').repeat(2_000));
    expect(await greedy.closed).toBe('');
    expect(gate.log).toContainEqual(
      expect.objectContaining({
        msg: 'connection closed',
        code: 'too_many_requests_waiting',
        address: '127.0.0.1',
      }),
    );
    expect(gate.app.busyConnections()).toBe(1);
    letGo();
    expect(await honest.answers(1 + maxWaiting)).toHaveLength(1 + maxWaiting);
    honest.socket.destroy();
    expect((await gate.app.inject('/metrics')).body).not.toContain('route="/metrics"');
  });

  it('are counted where an Expect is refused, too', async () => {
    const gate = await listening();
    const { asked } = holdQuestions(gate);
    const bytes = question('a') + 'GET / HTTP/1.1\r\nHost: gate\r\nExpect: x\r\n\r\n'.repeat(1_000);
    expect(await dial(gate.port, bytes).closed).toBe('');
    expect(asked.length).toBeLessThanOrEqual(1);
  });

  it('close a connection of the port for probes and metrics as well', async () => {
    const { app, admin } = await apart();
    const sent = `${get('/metrics').repeat(2_000)}`;
    expect(parseAnswers(await dial(portOf(admin), sent).closed).length).toBeLessThanOrEqual(1);
    expect(admin.busyConnections()).toBe(0);
    expect(app.busyConnections()).toBe(0);
  });
});

async function apart(): Promise<{ readonly app: App; readonly admin: App }> {
  const { app, admin } = await buildApps({
    evaluator: { cuj: () => Promise.reject(), service: () => Promise.reject() },
    describeQueries: () => [],
    registry: () => undefined,
    logger: pino({ level: 'silent' }),
    metrics: new MetricsRegistry(),
    now: () => nowMs,
    phase: () => 'serving',
    deadlineMs: 8_000,
    maxInflight: 100,
    operationsApart: true,
  });
  const apps = { app, admin: admin as App };
  await apps.admin.listen({ port: 0, host: '127.0.0.1' });
  onTestFinished(async () => {
    apps.admin.server.closeAllConnections();
    await apps.admin.close();
    await app.close();
  });
  return apps;
}

describe('an answer that nobody reads', () => {
  /** More than the system takes off our hands for a connection. */
  const hugeAnswer = (gate: Bench) => {
    const { registry } = gate.world;
    const problem = {
      file: 'a',
      line: 1,
      column: 1,
      path: '',
      rule: 'r',
      message: 'x'.repeat(30e6),
      fix: '',
    };
    gate.world.registry = {
      ...(registry as NonNullable<typeof registry>),
      failure: { atMs: nowMs, problems: [problem] },
    };
  };
  /** How many bytes the gate itself held for this connection at most. */
  const maxHeldUntilClosed = async (socket: Socket) => {
    let most = 0;
    while (!socket.closed) {
      most = Math.max(most, socket.writableLength);
      await new Promise(setImmediate);
    }
    return most;
  };
  const closedUnread = expect.objectContaining({ msg: 'connection closed', code: 'answer_unread' });

  it('is given up, and its connection with it', async () => {
    const gate = await listening({ unreadMs: 100 });
    hugeAnswer(gate);
    const connected = once(gate.app.server, 'connection') as Promise<[Socket]>;
    const wire = dial(gate.port, get('/registry'));
    wire.socket.pause();
    const [socket] = await connected;
    expect(await maxHeldUntilClosed(socket)).toBeLessThan(1e6);
    expect(gate.log).toContainEqual(closedUnread);
    await until(() => gate.app.busyConnections() === 0);
    wire.socket.destroy();
  });

  it('is given up though the caller goes on sending, a byte of a request now and then', async () => {
    const gate = await listening({ unreadMs: 200, arrival: { timeoutMs: 100, checkEveryMs: 20 } });
    hugeAnswer(gate);
    const connected = once(gate.app.server, 'connection') as Promise<[Socket]>;
    const wire = dial(gate.port, get('/registry'));
    wire.socket.pause();
    const drip = setInterval(() => wire.socket.write('G'), 20);
    onTestFinished(() => clearInterval(drip));
    const [accepted] = await connected;
    expect(await maxHeldUntilClosed(accepted)).toBeLessThan(1e6);
    expect(gate.log).toContainEqual(
      expect.objectContaining({ msg: 'connection closed', code: 'answer_unread' }),
    );
    wire.socket.destroy();
  });

  it('is given up over TLS, too', async () => {
    const { cert, key } = await certificate('gate');
    const gate = await listening({ unreadMs: 100, tls: { cert, key } });
    hugeAnswer(gate);
    const connected = once(gate.app.server, 'secureConnection') as Promise<[Socket]>;
    const socket = connectTls({ port: gate.port, host: '127.0.0.1', rejectUnauthorized: false });
    socket.on('error', () => {});
    socket.write(get('/registry'));
    socket.pause();
    const [accepted] = await connected;
    expect(await maxHeldUntilClosed(accepted)).toBeLessThan(1e6);
    expect(gate.log).toContainEqual(closedUnread);
    socket.destroy();
  });

  it('is not given up while a question is being answered', async () => {
    const { app } = await bench();
    // The longest that CUJ_GATE_DEADLINE can be, and a token's verification.
    expect(app.server.timeout).toBeGreaterThan(2 * 9_999);
  });
});
