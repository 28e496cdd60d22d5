/**
 * From spawn to the first 200 of /healthz, and the memory held then: the image's bundle against the same bundle without
 * the Datadog client, in interleaved rounds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle, bundleName } from '../../src/bundle/bundle.ts';
import type { ClientKind } from '../../src/bundle/client-plugin.ts';
import { freePort } from '../free-ports.ts';
import { type Figure, ratios } from './figure.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const limit = 1.25;
const kinds: readonly ClientKind[] = ['none', 'trimmed'];

interface Start {
  readonly ms: number;
  readonly megabytes: number;
}

export async function measureStart(rounds: number): Promise<Figure[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cuj-gate-start-'));
  try {
    for (const client of kinds) {
      const { code } = await bundle({ root, client });
      cpSync(path.join(root, 'config'), path.join(folder, client, 'config'), { recursive: true });
      writeFileSync(path.join(folder, client, bundleName), code);
    }
    const starts = new Map<ClientKind, Start[]>(kinds.map((kind) => [kind, []]));
    for (let round = -1; round < rounds; round += 1) {
      for (const kind of kinds) {
        const start = await measure(path.join(folder, kind));
        // The first round fills the file cache.
        if (round >= 0) starts.get(kind)?.push(start);
      }
    }
    return figuresOf(starts);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure(folder: string): Promise<Start> {
  const port = await freePort();
  const began = performance.now();
  const child = spawn(process.execPath, [bundleName, 'serve'], {
    cwd: folder,
    env: {
      HOST: '127.0.0.1',
      PORT: String(port),
      LOG_LEVEL: 'fatal',
      CUJ_GATE_REGISTRY: 'config/cujs.yaml',
      CUJ_GATE_DRAIN_DELAY: '0s',
      DD_API_KEY: 'not-a-real-api-key',
      DD_APP_KEY: 'not-a-real-app-key',
      DD_URL: 'http://127.0.0.1:9',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    await untilHealthy(child, port);
    const ms = performance.now() - began;
    return { ms, megabytes: residentMegabytes(child.pid as number) };
  } finally {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await ended;
  }
}

async function untilHealthy(child: ChildProcess, port: number): Promise<void> {
  while (child.exitCode === null) {
    const status = await new Promise<number>((resolve) => {
      const asked = request({ host: '127.0.0.1', port, path: '/healthz', agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.on('error', () => resolve(0));
      asked.end();
    });
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`the gate ended with ${child.exitCode}`);
}

/** Linux only: VmRSS of the process. */
function residentMegabytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kib) * 1024) / 1e6;
}

function figuresOf(starts: ReadonlyMap<ClientKind, readonly Start[]>): Figure[] {
  const of = (kind: ClientKind, what: keyof Start) => (starts.get(kind) ?? []).map((start) => start[what]);
  return [
    {
      name: "start: the bundle's first 200, against the bundle without the Datadog client",
      values: ratios(of('trimmed', 'ms'), of('none', 'ms')),
      unit: '×',
      target: { atMost: limit },
    },
    {
      name: "start: the bundle's resident memory, against the bundle without the client",
      values: ratios(of('trimmed', 'megabytes'), of('none', 'megabytes')),
      unit: '×',
      target: { atMost: limit },
    },
    { name: 'start: from spawn to the first 200', values: of('trimmed', 'ms'), unit: 'ms' },
    { name: 'start: resident memory then', values: of('trimmed', 'megabytes'), unit: 'MB' },
  ];
}
