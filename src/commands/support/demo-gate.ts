import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Simulator } from '../../demo/datadog/simulator.ts';
import type { Gate } from '../../server/compose.ts';
import { listen, refusal } from '../../server/lifecycle.ts';
import { createLogger } from '../../server/logger.ts';
import { readSettings } from '../../settings/settings.ts';
import type { Io } from './io.ts';

/** Shared by all demos: starts a gate that queries a simulator or a real Prometheus, and waits for Ctrl-C. */

/** Random keys for the simulator. The gate never runs without keys. */
export function randomKeys(): { readonly apiKey: string; readonly appKey: string } {
  return { apiKey: randomBytes(16).toString('hex'), appKey: randomBytes(20).toString('hex') };
}

/** The settings by which a gate asks a simulator. */
export function simulatorSource(
  { url }: Simulator,
  { apiKey, appKey }: { readonly apiKey: string; readonly appKey: string },
): Record<string, string> {
  return {
    DD_URL: url,
    DD_API_KEY: apiKey,
    DD_APP_KEY: appKey,
    CUJ_GATE_EVENTS_DD_API_KEY: apiKey,
    CUJ_GATE_EVENTS_URL: url,
  };
}

/** A running gate with the history of its verdicts in a folder of its own. */
export interface DemoGate {
  readonly gate: Gate;
  readonly url: string;
  /** Ends the gate and removes the folder. */
  close(): Promise<void>;
}

export interface DemoGateOptions {
  /** The settings that name its metrics backend. */
  readonly source: Readonly<Record<string, string>>;
  readonly registry: string;
  readonly environment?: string | undefined;
  readonly port: number;
  readonly now: () => number;
}

/**
 * Starts the gate as a user does, with the demo's backend. Ignores the environment. Where it cannot start, reports
 * why on stderr and returns undefined.
 */
export async function startDemoGate(io: Io, options: DemoGateOptions): Promise<DemoGate | undefined> {
  const history = await mkdtemp(path.join(tmpdir(), 'cuj-gate-demo-'));
  const settings = readSettings({
    ...options.source,
    CUJ_GATE_REGISTRY: options.registry,
    CUJ_GATE_ENVIRONMENT: options.environment,
    HOST: '127.0.0.1',
    PORT: String(options.port),
    CUJ_GATE_HISTORY_PATH: history,
    CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST: 'true',
    ...(options.port === 0 ? {} : { CUJ_GATE_PUBLIC_URL: `http://127.0.0.1:${options.port}` }),
  });
  const removeHistory = () => rm(history, { recursive: true, force: true });
  try {
    const { gate, url } = await listen(settings, { now: options.now, logger: createLogger('silent') });
    return {
      url,
      close: async () => {
        await gate.close();
        await removeHistory();
      },
      gate,
    };
  } catch (error) {
    await removeHistory();
    const lines = refusal(error, settings, '--port');
    if (lines === undefined) throw error;
    io.stderr.write(`cuj-gate demo: ${lines.join('\n')}\n`);
    return undefined;
  }
}

/** How to call the program in lines to paste: a fresh clone that runs `npm run demo` has no `cuj-gate` on its path. */
export function programCall({ env }: Io): string {
  return env.npm_lifecycle_event === 'demo' ? 'npm run --silent cuj-gate --' : 'cuj-gate';
}

/** Where a browser shows the demo. */
export function watchLine(url: string): string {
  return `Watch it at ${url}/`;
}

export function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
