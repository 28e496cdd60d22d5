import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { BatchQuery, Snapshot } from '../../src/domain/metrics/metrics-source.ts';
import type { GateOverrides } from '../../src/server/compose.ts';
import { refusal, serve } from '../../src/server/lifecycle.ts';
import { createLogger } from '../../src/server/logger.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { healthy, isRecent, snapshotOf } from '../http/fixture.ts';
import { dial, parseAnswers, type WireAnswer } from '../http/wire.ts';

const registry = fileURLToPath(new URL('../../config/cujs.yaml', import.meta.url));
const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40) };

/** What a process is to a server: signals, and a last exit. */
class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
    this.emit('exit', code);
  }
}

interface Served {
  readonly process: FakeProcess;
  readonly port: number;
  readonly ended: Promise<number>;
  /** Settles with the log's line of a message. */
  readonly logged: (msg: string) => Promise<Record<string, unknown>>;
  readonly overrides: { measure: (query: BatchQuery) => Promise<Snapshot> };
}

const running: Served[] = [];
afterEach(async () => {
  for (const served of running.splice(0)) {
    if (served.process.listenerCount('SIGTERM') > 0) served.process.emit('SIGTERM');
    await served.ended;
  }
});

async function start(env: Record<string, string> = {}): Promise<Served> {
  const settings: Settings = readSettings({
    ...keys,
    CUJ_GATE_REGISTRY: registry,
    HOST: '127.0.0.1',
    PORT: '0',
    CUJ_GATE_DRAIN_DELAY: '0s',
    ...env,
  });
  const process = new FakeProcess();
  const lines: Record<string, unknown>[] = [];
  const news = new EventEmitter();
  const logger = pino(
    { base: null },
    {
      write(line: string) {
        lines.push(JSON.parse(line));
        news.emit('line');
      },
    },
  );
  const world = { measure: async (query: BatchQuery) => snapshotOf(query, healthy, healthy) };
  const overrides: GateOverrides = { logger, source: { measure: (query) => world.measure(query) } };
  const ended = serve(settings, process, overrides);
  const logged = async (msg: string) => {
    for (;;) {
      const found = lines.find((line) => line.msg === msg);
      if (found !== undefined) return found;
      await once(news, 'line');
    }
  };
  const { url } = await logged('listening');
  const served = { process, port: Number(new URL(url as string).port), ended, logged, overrides: world };
  running.push(served);
  return served;
}

const ask = (url: string) => `GET ${url} HTTP/1.1\r\nHost: gate\r\n\r\n`;
const signup = '/cujs/signup/status?version=v2';

async function get(port: number, url: string): Promise<WireAnswer> {
  const [answer] = await dial(port, ask(url)).answers(1);
  return answer as WireAnswer;
}

describe('a server', () => {
  it('says where it listens, and by which registry', async () => {
    const { logged, port } = await start();
    expect(await logged('listening')).toMatchObject({
      url: `http://127.0.0.1:${port}`,
      files: [registry],
      cujs: 10,
      services: 3,
      digest: expect.stringMatching(/^sha256:/),
    });
    const verdict = await get(port, signup);
    expect(JSON.parse(verdict.body)).toMatchObject({ verdict: 'pass', cuj: 'signup' });
  });

  it('drains: not ready at once, and everything is still answered', async () => {
    const { process, port, logged, ended } = await start({ CUJ_GATE_DRAIN_DELAY: '2s' });
    process.emit('SIGTERM');
    await logged('draining');
    const [ready, verdict] = await Promise.all([get(port, '/readyz'), get(port, signup)]);
    expect(ready).toMatchObject({ status: 503, headers: { connection: 'close' } });
    expect(verdict).toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(await ended).toBe(0);
  });

  it('answers what is under way when it closes, refuses what is new, and waits for nobody else', async () => {
    const { process, port, logged, ended, overrides } = await start();
    const asked = new EventEmitter();
    let answer = () => {};
    overrides.measure = async (query) => {
      if (!isRecent(query)) return snapshotOf(query, healthy, healthy);
      return new Promise((resolve) => {
        answer = () => resolve(snapshotOf(query, healthy, healthy));
        asked.emit('asked');
      });
    };
    const silent = dial(port);
    const half = dial(port, 'GET /cujs/sign');
    const idle = dial(port, ask('/healthz'));
    await idle.answers(1);
    const wire = dial(port, ask(signup));
    await once(asked, 'asked');

    process.emit('SIGTERM');
    await logged('closing');
    await idle.closed;
    const refused = dial(port, ask('/healthz'));
    expect(await refused.closed).toBe('');
    answer();
    const answers = parseAnswers(await wire.closed);
    expect(answers[0]).toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ verdict: 'pass' });
    expect(await ended).toBe(0);
    await Promise.all([silent.closed, half.closed]);
    expect(process.exits).toEqual([]);
  });

  it('refuses a question that comes while it closes with a problem document', async () => {
    const { process, port, logged, overrides } = await start();
    const asked = new EventEmitter();
    let answer = () => {};
    overrides.measure = async (query) => {
      if (!isRecent(query)) return snapshotOf(query, healthy, healthy);
      return new Promise((resolve) => {
        answer = () => resolve(snapshotOf(query, healthy, healthy));
        asked.emit('asked');
      });
    };
    // Half of a request holds its connection open; the question keeps the server from ending.
    const wire = dial(port, ask(signup));
    await once(asked, 'asked');
    const late = dial(port, 'GET /cujs HTTP/1.1\r\n');
    await new Promise((resolve) => late.socket.once('connect', resolve));
    await get(port, '/healthz');
    process.emit('SIGTERM');
    await logged('closing');
    late.socket.write('Host: gate\r\n\r\n');
    const [answered] = parseAnswers(await late.closed);
    expect(answered).toMatchObject({ status: 503, headers: { connection: 'close' } });
    expect(JSON.parse(answered?.body ?? '')).toMatchObject({ code: 'draining' });
    answer();
    await wire.closed;
  });

  it('answers all who are connected when it stops listening', async () => {
    const { process, port, ended } = await start();
    process.emit('SIGTERM');
    // Connected as far as the system is concerned; the server has yet to accept them, one a turn of the event loop.
    const wires = Array.from({ length: 100 }, () => dial(port, ask('/registry')));
    const answers = await Promise.all(wires.map(async ({ closed }) => parseAnswers(await closed)));
    for (const [answer, ...more] of answers) {
      expect(more).toEqual([]);
      expect(answer).toMatchObject({ status: 200, headers: { connection: 'close' } });
    }
    expect(await ended).toBe(0);
  });

  it('answers a caller whose token was still being verified when it stopped listening', async () => {
    const asked = new EventEmitter();
    const issuer = createHttpServer((_, response) => asked.emit('asked', response));
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void issuer.close());
    const issuerUrl = `http://127.0.0.1:${(issuer.address() as { port: number }).port}`;
    const { process, port, logged, ended } = await start({
      CUJ_GATE_AUTH_OIDC_ISSUER: issuerUrl,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'gate',
      CUJ_GATE_AUTH_OIDC_JWKS_URL: `${issuerUrl}/keys`,
    });
    const part = (of: object) => Buffer.from(JSON.stringify(of)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 600;
    const token = `${part({ alg: 'RS256', kid: 'k' })}.${part({ iss: issuerUrl, aud: 'gate', exp })}.AAAA`;
    const fetched = once(asked, 'asked') as Promise<[ServerResponse]>;
    const wire = dial(port, ask(signup).replace('\r\n\r\n', `\r\nAuthorization: Bearer ${token}\r\n\r\n`));
    const [response] = await fetched;
    process.emit('SIGTERM');
    await logged('closing');
    // Longer than it takes to find that no question is waiting.
    await new Promise((resolve) => setTimeout(resolve, 400));
    response.writeHead(500).end();
    const [answer] = parseAnswers(await wire.closed);
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ reason: 'auth_unavailable' });
    expect(await ended).toBe(0);
  });

  it('ends at once at a second signal', async () => {
    const { process, ended, logged } = await start({ CUJ_GATE_DRAIN_DELAY: '300ms' });
    process.emit('SIGINT');
    await logged('draining');
    process.emit('SIGTERM');
    const first = await Promise.race([
      new Promise((resolve) => process.once('exit', resolve)),
      ended.then(() => 'the drain'),
    ]);
    expect(first).toBe(1);
  });

  it.each([
    ['uncaughtException', 'uncaught exception'],
    ['unhandledRejection', 'unhandled rejection'],
  ])('dies of an %s, and says of what', async (event, msg) => {
    const { process, logged } = await start();
    process.emit(event, new Error('out of luck'));
    await vi.waitFor(() => expect(process.exits).toEqual([1]), { timeout: 30_000 });
    expect(await logged(msg)).toMatchObject({ level: 60, err: { message: 'out of luck' } });
  });
});

describe('refusal', () => {
  const settings = readSettings({ ...keys, CUJ_GATE_REGISTRY: registry, HOST: '127.0.0.1' });

  it('says that the port is in use', async () => {
    const taken: Server = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const error = await serve({ ...settings, port }, new FakeProcess(), {
      logger: createLogger('silent'),
      source: { measure: () => Promise.reject(new Error('never asked')) },
    }).catch((thrown: unknown) => thrown);
    expect(refusal(error, { ...settings, port })).toEqual([
      `127.0.0.1:${port} is in use by another process. Choose another PORT.`,
    ]);
    await new Promise((resolve) => taken.close(resolve));
  });

  it('leaves a fault of our own as it is', () => {
    expect(refusal(new TypeError('a bug'), settings)).toBeUndefined();
  });
});
