import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { request } from 'undici';
import { freePort } from '../free-ports.ts';

/** Programs that figures are measured with; all of them end with the run. */

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

export interface Running {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

function running(child: ChildProcess, url: string): Running {
  alive.add(child);
  return {
    url,
    pid: child.pid as number,
    async stop() {
      alive.delete(child);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** A bare node:http that answers everything with the file. */
export async function startRaw(bodyFile: string): Promise<Running> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'raw-server.mjs'), bodyFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = await once(child.stdout, 'data');
  return running(child, `http://127.0.0.1:${String(port).trim()}`);
}

/** The bundle; its log is discarded. */
export async function startGate(file: string, env: Record<string, string>): Promise<Running> {
  const port = await freePort();
  const child = spawn(process.execPath, [file, 'serve'], {
    cwd: path.dirname(file),
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: String(port),
      DD_API_KEY: 'bench-api-key-of-nobody',
      DD_APP_KEY: 'bench-app-key-of-nobody',
      CUJ_GATE_DRAIN_DELAY: '0s',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gate = running(child, `http://127.0.0.1:${port}`);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the gate ended with ${child.exitCode}`);
    const ready = await request(`${gate.url}/readyz`)
      .then(async ({ statusCode, body }) => {
        await body.dump();
        return statusCode === 200;
      })
      .catch(() => false);
    if (ready) return gate;
    await sleep(10);
  }
}

export const run = promisify(execFile);

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

/** 32 connections, each of which sends its next request after each response. */
export async function closedLoad(url: string, seconds: number): Promise<Load> {
  const [result] = await load('closed', String(seconds), url);
  return result as Load;
}

/** This many requests a second to each URL, at the same moments. */
export function openLoad(urls: readonly string[], seconds: number, perSecond: number): Promise<Load[]> {
  return load('open', String(seconds), String(perSecond), ...urls);
}

async function load(...args: readonly string[]): Promise<Load[]> {
  const { stdout } = await run(process.execPath, [path.join(import.meta.dirname, 'load.mjs'), ...args]);
  const results: Load[] = JSON.parse(stdout);
  for (const { errors } of results)
    if (errors > 0) throw new Error(`${errors} questions failed: load ${args.join(' ')}`);
  return results;
}
