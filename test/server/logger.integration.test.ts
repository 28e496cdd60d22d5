import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createLogger, secretsOf } from '../../src/server/logger.ts';
import { readSettings } from '../../src/settings/settings.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40) };

describe('createLogger', () => {
  it("knows every secret of the settings, Redis' password as it is and as a URL writes it", () => {
    const url = 'rediss://gate:p%25ss@cache.example.com:6379/0';
    const all = secretsOf(readSettings({ ...keys, CUJ_GATE_REDIS_URL: url }));
    expect(all).toEqual(expect.arrayContaining([keys.DD_API_KEY, keys.DD_APP_KEY, url, 'p%25ss', 'p%ss']));
  });

  it('lets no secret out, wherever in a line it stands', () => {
    let text = '';
    const logger = createLogger('info', [keys.DD_API_KEY, undefined, ''], {
      write: (line: string) => {
        text += line;
      },
    });
    logger.error(
      { err: new Error(`rejected ${keys.DD_API_KEY}`), headers: { authorization: 'Bearer x1y2' } },
      'a',
    );
    logger
      .child({ url: `http://x/?k=${keys.DD_API_KEY}`, apiKey: 'other' })
      .info({ apiKey: 'z9' }, keys.DD_API_KEY);
    expect(text).not.toContain(keys.DD_API_KEY);
    expect(text).not.toMatch(/x1y2|z9/);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).level),
    ).toEqual(['error', 'info']);
  });

  it('lets no secret out that JSON or a URL writes in another way', () => {
    const password = 'p"q\\r/s?9';
    const lines: string[] = [];
    const logger = createLogger('info', [password], { write: (line: string) => void lines.push(line) });
    logger.info({ why: password, url: `redis://:${encodeURIComponent(password)}@redis` }, 'lost');
    expect(JSON.parse(lines.join(''))).toMatchObject({ why: '[redacted]', url: 'redis://:[redacted]@redis' });
  });

  it('escapes what a terminal would obey or not show, wherever it came from', () => {
    const lines: string[] = [];
    const logger = createLogger('info', [], { write: (line: string) => void lines.push(line) });
    const outside = 'a\u0085\u009b2J\u061c\u200e\u202e\u2066\u2028\u200b\ufeffz 🚀 ログ';
    logger.child({ caller: outside }).info({ [outside]: { detail: outside }, err: new Error(outside) }, 'x');
    const text = lines.join('');
    expect(text).not.toMatch(/[\p{Cf}\p{Zl}\p{Zp}\u007f-\u009f]/u);
    expect(text).toContain('🚀 ログ');
    expect(text.split('\n')).toHaveLength(2);
    expect(JSON.parse(text)).toMatchObject({ caller: outside, [outside]: { detail: outside } });
  });

  it('knows the keys in the headers for the collector of traces', () => {
    const key = 'c'.repeat(20);
    const headers = {
      OTEL_EXPORTER_OTLP_HEADERS: `api-key=${key},Authorization=Bearer%20${'d'.repeat(16)},x=y`,
    };
    const known = secretsOf(readSettings({ ...keys, ...headers }));
    expect(known).toEqual(expect.arrayContaining([key, 'd'.repeat(16)]));
    expect(known).not.toContain('y');
  });
});

/** A process of its own that logs as the gate does; `go` is what it does once it has said its first line. */
function spawnLogger(go: string, stdout: 'pipe' | number): ChildProcess {
  const script = `
    import fs from 'node:fs';
    import { createLogger, written } from './src/server/logger.ts';
    const logger = createLogger('info');
    // Something to live for, as the gate has its port.
    setInterval(() => {}, 60_000);
    logger.info('first');
    ${go}`;
  return spawn(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', script],
    {
      cwd: root,
      stdio: ['ignore', stdout, 'inherit', 'ipc'],
    },
  );
}

/** Starts it, lets `meanwhile` happen once it has said its first line, and returns how it ended and what it said. */
async function runLogger(
  go: string,
  meanwhile: (child: ChildProcess, stdout: Readable) => Promise<void> | void = () => {},
): Promise<{ readonly code: unknown; readonly lines: string[] }> {
  const child = spawnLogger(go, 'pipe');
  try {
    const exited = once(child, 'exit');
    const stdout = child.stdout as Readable;
    let text = '';
    stdout.on('data', (chunk) => {
      text += chunk;
    });
    await once(stdout, 'data');
    await meanwhile(child, stdout);
    const [code] = await exited;
    if (!stdout.closed) await once(stdout, 'close');
    return { code, lines: text.trimEnd().split('\n') };
  } finally {
    child.kill('SIGKILL');
  }
}

describe('lines on stdout', () => {
  it('do not keep a process whose reader went away while a block was being written', async () => {
    const { code } = await runLogger(
      `
      const { write } = fs;
      // The timer's flush, of nothing: its end is not heard of before a line has come that nobody reads.
      fs.write = (fd, block, done) => {
        fs.write = write;
        write(fd, block, (...result) => {
          process.once('message', () => {
            logger.fatal('last');
            void written(logger).then(() => process.exit(3));
            done(...result);
          });
          process.send('under way');
        });
      };`,
      async (child, stdout) => {
        await once(child, 'message');
        stdout.destroy();
        await once(stdout, 'close');
        child.send('nobody reads');
      },
    );
    expect(code).toBe(3);
  });

  it('are all there when they are said to be written, however much was held', async () => {
    const { code, lines } = await runLogger(`
      const text = 'x'.repeat(1_000);
      for (let i = 0; i < 1_000; i += 1) logger.info({ i, text }, 'one of many');
      logger.info('last');
      await written(logger);
      process.exit(3);`);
    expect(code).toBe(3);
    const said = lines.map((line) => JSON.parse(line) as { readonly i?: number });
    expect(said.map(({ i }) => i)).toEqual([undefined, ...Array(1_000).keys(), undefined]);
  });

  it('do not end a gate whose disk is full', async () => {
    const full = await open('/dev/full', 'w');
    const child = spawnLogger(
      `
      const { write } = fs;
      let refused = 0;
      fs.write = (fd, block, done) =>
        write(fd, block, (error, ...result) => {
          done(error, ...result);
          if (error?.code === 'ENOSPC') refused += 1;
          logger.info('one more');
          if (refused === 3) void written(logger).then(() => process.exit(3));
        });`,
      full.fd,
    );
    try {
      expect(await once(child, 'exit')).toEqual([3, null]);
    } finally {
      child.kill('SIGKILL');
      await full.close();
    }
  });

  it('wait for a reader that takes nothing, up to a bound, and not at the end', async () => {
    const { code } = await runLogger(
      `
      const text = 'x'.repeat(100_000);
      process.once('message', async () => {
        for (let i = 0; i < 1_000; i += 1) logger.info({ text }, 'one of many');
        globalThis.gc();
        const { arrayBuffers } = process.memoryUsage();
        await written(logger);
        process.exit(arrayBuffers < 32e6 ? 3 : 4);
      });`,
      (child, stdout) => {
        stdout.pause();
        child.send('nobody reads');
        child.once('exit', () => stdout.resume());
      },
    );
    expect(code).toBe(3);
  });
});
