import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { question } from '../auth/gate.ts';
import { startReceiver } from './receiver.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Each start of a gate costs seconds, so few of them do. Runs it as a process of its own, asks it once, ends it, and says what it imported and how long its end took. */
async function serve(env: Record<string, string>) {
  const folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-imports-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const loaded = path.join(folder, 'loaded');
  const preload = path.join(root, 'test/tracing/imports.mjs');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--import', preload, path.join(root, 'src/bin.ts'), 'serve'],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        LOADED: loaded,
        DD_API_KEY: 'a'.repeat(32),
        DD_APP_KEY: 'b'.repeat(40),
        // Nobody listens there: the answer is inconclusive, at once.
        DD_URL: 'http://127.0.0.1:1',
        CUJ_GATE_REGISTRY: path.join(root, 'config/cujs.yaml'),
        CUJ_GATE_DEADLINE: '500ms',
        CUJ_GATE_DRAIN_DELAY: '0s',
        HOST: '127.0.0.1',
        PORT: '0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      const listening = /"url":"(http[^"]+)"/.exec(log)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    child.once('exit', () => reject(new Error(`it ended:\n${log}`)));
  });
  const answer = await fetch(url + question);
  expect(answer.status).toBe(200);
  const told = performance.now();
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  return { imports: readFileSync(loaded, 'utf8').split('\n'), endedInMs: performance.now() - told };
}

const optional = (imports: readonly string[]) =>
  imports.filter((url) =>
    /node_modules\/(@opentelemetry|ioredis)\/|src\/(tracing|sources\/redis-cache)\//.test(url),
  );

it('a gate without a collector and without Redis loads nothing that is for them', async () => {
  const { imports } = await serve({});
  expect(imports.length).toBeGreaterThan(100);
  expect(optional(imports)).toEqual([]);
});

it('a gate with both loads both, hands over its traces and ends, although neither ever says a word', async () => {
  const { url, spans } = await startReceiver(() => {});
  const { imports, endedInMs } = await serve({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_SERVICE_NAME: 'release-gate',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production',
    CUJ_GATE_REDIS_URL: 'redis://127.0.0.1:1',
  });
  for (const name of ['/@opentelemetry/', '/ioredis/'])
    expect(imports.some((one) => one.includes(name))).toBe(true);
  expect(spans.map(({ name }) => name)).toContain('GET /cujs/:name/status');
  expect(spans[0]?.resource).toMatchObject({
    'service.name': 'release-gate',
    'deployment.environment.name': 'production',
  });
  // Three seconds for the collector, and room for a busy machine.
  expect(endedInMs).toBeLessThan(15_000);
});
