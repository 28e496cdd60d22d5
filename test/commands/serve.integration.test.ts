import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { run } from '../../src/cli.ts';
import { settingNames } from '../../src/settings/settings.ts';
import { capture } from './io.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const registry = join(root, 'config/cujs.yaml');
const redisPassword = 'password-of-redis';
const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40) };

async function cli(argv: readonly string[], env: Record<string, string> = {}) {
  const { io, stdout, stderr } = capture({ env });
  const code = await run(argv, io);
  return { code, stdout: stdout(), stderr: stderr() };
}

describe('cuj-gate serve', () => {
  it('--help lists every setting', async () => {
    const { code, stdout } = await cli(['serve', '--help']);
    expect(code).toBe(0);
    for (const name of settingNames) expect(stdout).toContain(name);
  });

  it('refuses to start without keys and registry, and names the variables', async () => {
    const { code, stdout, stderr } = await cli(['serve']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const name of ['DD_API_KEY', 'DD_APP_KEY', 'CUJ_GATE_REGISTRY']) expect(stderr).toContain(name);
  });

  it('refuses to start with an unknown setting, and never shows a key', async () => {
    const env = { ...keys, CUJ_GATE_REGISTRY: registry, CUJ_GATE_CASHE_TTL: '1s' };
    const { code, stderr } = await cli(['serve'], env);
    expect(code).toBe(2);
    expect(stderr).toContain('CUJ_GATE_CASHE_TTL is not a setting. Did you mean CUJ_GATE_CACHE_TTL?');
    expect(stderr).not.toContain(keys.DD_API_KEY);
  });

  it('names the option that is wrong, and not the variable in whose place it stands', async () => {
    const { code, stderr } = await cli(['serve', '--registry', registry, '--port', 'abc'], keys);
    expect(code).toBe(2);
    expect(stderr).toContain('--port=abc is not a whole number from 0 to 65535.');
  });

  it('refuses to start with a bad registry, and lists all that is wrong with it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cuj-gate-serve-'));
    try {
      const file = join(folder, 'cujs.yaml');
      await writeFile(
        file,
        'apiVersion: cuj-gate/v1\nservcies: {}\ncujs:\n  - name: Login\n    owner: a\n    endpoints: "*"\n',
      );
      const { code, stdout, stderr } = await cli(['serve', '--registry', file], keys);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/cujs\.yaml:2:1: .*servcies/);
      expect(stderr).toMatch(/cujs\.yaml:4:\d+: /);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('serves as a process of its own, and at SIGTERM answers what is under way and exits with 0', async () => {
    // A Datadog that lets everybody wait until it is told to answer; it is asked for error budgets as well.
    const waiting: ServerResponse[] = [];
    let told = false;
    const refuse = (response: ServerResponse) =>
      response.writeHead(403, { 'content-type': 'application/json' }).end('{"errors":["Forbidden"]}');
    const datadog = createServer((request, response) => {
      if (told) refuse(response);
      else waiting.push(response);
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        if (body.includes('version:v2')) datadog.emit('asked');
      });
    });
    await new Promise<void>((resolve) => datadog.listen(0, '127.0.0.1', resolve));
    const { port } = datadog.address() as { port: number };
    const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/bin.ts'), 'serve'], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        ...keys,
        DD_URL: `http://127.0.0.1:${port}`,
        CUJ_GATE_REGISTRY: registry,
        HOST: '127.0.0.1',
        PORT: '0',
        CUJ_GATE_DRAIN_DELAY: '50ms',
        // Nobody is there: what it shares is not what this is about, but that its password is a secret too.
        CUJ_GATE_REDIS_URL: `redis://:${redisPassword}@127.0.0.1:1`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      let stderr = '';
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      const exited = once(child, 'exit');
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const logged = async (msg: string): Promise<Record<string, unknown>> => {
        for (;;) {
          const { value, done } = await lines.next();
          if (done === true) throw new Error(`it ended without "${msg}": ${stderr}`);
          const line = JSON.parse(value) as Record<string, unknown>;
          if (line.msg === msg) return line;
        }
      };
      const { url } = await logged('listening');
      for (const secret of [keys.DD_API_KEY, keys.DD_APP_KEY, redisPassword]) {
        expect((await fetch(`${url}/cujs/signup/status?version=v1&window=${secret}`)).status).toBe(400);
        // The line shows the URL that was asked for, and what is wrong with it.
        expect(await logged('refused')).toMatchObject({
          url: '/cujs/signup/status?version=v1&window=[redacted]',
          detail: 'window "[redacted]" is not a span in whole minutes.',
        });
      }
      const question = once(datadog, 'asked');
      const answer = fetch(`${url}/cujs/signup/status?version=v2`);
      await question;
      child.kill('SIGTERM');
      await logged('closing');
      told = true;
      waiting.forEach(refuse);
      const verdict = await answer;
      expect(verdict.status).toBe(200);
      expect(verdict.headers.get('connection')).toBe('close');
      expect(await verdict.json()).toMatchObject({ verdict: 'inconclusive', reason: 'source_rejected' });
      await logged('ended');
      expect(await exited).toEqual([0, null]);
      expect(stderr).toBe('');
    } finally {
      child.kill('SIGKILL');
      datadog.closeAllConnections();
      datadog.close();
    }
  });

  it.each([
    ['is told to go', ['SIGTERM'], '0s', 0],
    ['is told to go twice', ['SIGTERM', 'SIGINT'], '15s', 1],
    ['dies of a fault of its own', ['SIGUSR2'], '0s', 1],
  ] as const)(
    'ends though nobody reads its log any more, when it %s',
    async (_, signals, drainDelay, code) => {
      const fault = "process.on('SIGUSR2', () => { throw new Error('out of luck'); });";
      const loaders = ['--import', 'tsx', '--import', `data:text/javascript,${encodeURIComponent(fault)}`];
      const child = spawn(process.execPath, [...loaders, join(root, 'src/bin.ts'), 'serve'], {
        cwd: root,
        env: {
          PATH: process.env.PATH,
          ...keys,
          DD_URL: 'http://127.0.0.1:1',
          CUJ_GATE_REGISTRY: registry,
          HOST: '127.0.0.1',
          PORT: '0',
          CUJ_GATE_DRAIN_DELAY: drainDelay,
        },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      try {
        const exited = once(child, 'exit');
        let log = '';
        // Another line may come first, before the gate listens for signals.
        while (!log.includes('"listening"')) log += (await once(child.stdout, 'data')).toString();
        child.stdout.destroy();
        await once(child.stdout, 'close');
        for (const signal of signals) child.kill(signal);
        expect(await exited).toEqual([code, null]);
      } finally {
        child.kill('SIGKILL');
      }
    },
  );

  it('ends within its time at SIGTERM though the reader of its log has stopped reading', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cuj-gate-serve-'));
    const pipe = join(folder, 'log');
    await promisify(execFile)('mkfifo', [pipe]);
    // Open for both, it is a reader that never goes away.
    const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const writer = openSync(pipe, 'w');
    const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/bin.ts'), 'serve'], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        ...keys,
        DD_URL: 'http://127.0.0.1:1',
        CUJ_GATE_REGISTRY: registry,
        HOST: '127.0.0.1',
        PORT: '0',
        CUJ_GATE_DRAIN_DELAY: '0s',
      },
      stdio: ['ignore', writer, 'ignore'],
    });
    try {
      const exited = once(child, 'exit');
      const block = Buffer.alloc(4_096);
      let log = '';
      const read = () => {
        log += block.toString('utf8', 0, readSync(reader, block));
        expect(log).toContain('"listening"');
      };
      await vi.waitFor(read, { timeout: 30_000 });
      const full = { code: 'EAGAIN' };
      expect(() => {
        for (;;) writeSync(reader, block);
      }).toThrow(expect.objectContaining(full));
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
      closeSync(reader);
      closeSync(writer);
      await rm(folder, { recursive: true });
    }
  });
});
