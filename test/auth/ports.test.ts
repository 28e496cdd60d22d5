import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { listen, refusal, serve } from '../../src/server/lifecycle.ts';
import { scratchFile } from '../registry-files/scratch.ts';
import { certificate } from './certificates.ts';
import { ask, question, settingsOf, startGate } from './gate.ts';

const operations = ['/metrics', '/healthz', '/readyz'];

describe('a port of their own for probes and /metrics', () => {
  it('has them, and nothing else', async () => {
    const gate = await startGate({ CUJ_GATE_ADMIN_PORT: '0' });
    for (const url of operations) expect((await ask(gate.adminUrl + url)).status).toBe(200);
    for (const url of [question, '/cujs', '/registry', '/openapi.json']) {
      const answer = await ask(gate.adminUrl + url);
      expect(answer.status).toBe(404);
      expect(JSON.parse(answer.text)).toMatchObject({
        code: 'not_found',
        hint: expect.stringContaining('This port has /metrics, /healthz, /readyz.'),
      });
    }
  });

  it('takes them from the port of the questions', async () => {
    const gate = await startGate({ CUJ_GATE_ADMIN_PORT: '0' });
    for (const url of operations) {
      const answer = await ask(gate.url + url);
      expect(answer.status).toBe(404);
      expect(JSON.parse(answer.text)).toMatchObject({
        hint: 'It is served on CUJ_GATE_ADMIN_PORT, over plain HTTP.',
        nearest: [],
      });
    }
    expect((await ask(gate.url + question)).status).toBe(200);
    const { paths } = JSON.parse((await ask(`${gate.url}/openapi.json`)).text);
    expect(Object.keys(paths)).not.toEqual(expect.arrayContaining(['/metrics']));
  });

  it('asks for a token at /metrics where that is wanted, and never at the probes', async () => {
    const token = 'Zm9yLXRlc3RzLW9ubHktMDE=';
    const gate = await startGate({
      CUJ_GATE_ADMIN_PORT: '0',
      CUJ_GATE_AUTH_TOKENS_FILE: scratchFile(token, 'tokens'),
      CUJ_GATE_AUTH_METRICS: 'true',
    });
    const status = async (url: string, headers = {}) => (await ask(gate.adminUrl + url, { headers })).status;
    expect(await Promise.all(operations.map((url) => status(url)))).toEqual([401, 200, 200]);
    expect(await status('/metrics', { authorization: `Bearer ${token}` })).toBe(200);
  });

  it('counts the questions of the other port', async () => {
    const gate = await startGate({ CUJ_GATE_ADMIN_PORT: '0' });
    await ask(gate.url + question);
    const { text } = await ask(`${gate.adminUrl}/metrics`);
    expect(text).toMatch(/cuj_gate_verdicts_total\{cuj="signup".*\} 1/);
  });

  it('still answers while the gate drains: not ready, and alive', async () => {
    const gate = await startGate({ CUJ_GATE_ADMIN_PORT: '0' });
    gate.gate.phase = 'closing';
    const ready = await ask(`${gate.adminUrl}/readyz`);
    expect([ready.status, JSON.parse(ready.text).code]).toEqual([503, 'draining']);
    expect((await ask(`${gate.adminUrl}/healthz`)).status).toBe(200);
  });

  it('that is taken is refused by its own name', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const settings = settingsOf({ CUJ_GATE_ADMIN_PORT: String(port) });
    const error = await listen(settings, { logger: pino({ level: 'silent' }) }).catch(
      (reason: unknown) => reason,
    );
    taken.close();
    expect(refusal(error, settings)).toEqual([
      `127.0.0.1:${port} is in use by another process. Choose another CUJ_GATE_ADMIN_PORT.`,
    ]);
  });
});

describe('a start', () => {
  const warning = /no authentication configured/;

  async function warningsOf(env: Record<string, string>): Promise<unknown[]> {
    const lines: Record<string, unknown>[] = [];
    const news = new EventEmitter();
    const process = Object.assign(new EventEmitter(), { exit: () => {} });
    const write = (line: string) => {
      lines.push(JSON.parse(line));
      news.emit('line');
    };
    const logger = pino({}, { write });
    const measure = () => Promise.reject(new Error('nobody asks'));
    const settings = settingsOf({ CUJ_GATE_DRAIN_DELAY: '0s', ...env });
    const ended = serve(settings, process, { logger, source: { measure } });
    while (!lines.some((line) => line.msg === 'listening')) await once(news, 'line');
    process.emit('SIGTERM');
    await ended;
    return lines.filter((line) => warning.test(String(line.msg)));
  }

  it('says once that nobody is asked for anything, where others can reach the port', async () => {
    expect(await warningsOf({ HOST: '0.0.0.0' })).toEqual([
      expect.objectContaining({ level: 40, host: '0.0.0.0' }),
    ]);
  });

  it('says nothing of it on loopback', async () => {
    expect(await warningsOf({})).toEqual([]);
  });

  it('says nothing of it with tokens', async () => {
    const file = scratchFile('Zm9yLXRlc3RzLW9ubHktMDE=', 'tokens');
    expect(await warningsOf({ HOST: '0.0.0.0', CUJ_GATE_AUTH_TOKENS_FILE: file })).toEqual([]);
  });

  it('says nothing of it with client certificates', async () => {
    const { cert, key } = await certificate('gate');
    const env = {
      HOST: '0.0.0.0',
      CUJ_GATE_TLS_CERT_FILE: scratchFile(cert),
      CUJ_GATE_TLS_KEY_FILE: scratchFile(key),
      CUJ_GATE_TLS_CLIENT_CA_FILE: scratchFile(cert),
    };
    expect(await warningsOf(env)).toEqual([]);
  });

  it('says it with TLS alone, which asks callers for nothing', async () => {
    const { cert, key } = await certificate('gate');
    const env = {
      HOST: '0.0.0.0',
      CUJ_GATE_TLS_CERT_FILE: scratchFile(cert),
      CUJ_GATE_TLS_KEY_FILE: scratchFile(key),
    };
    expect(await warningsOf(env)).toHaveLength(1);
  });
});
