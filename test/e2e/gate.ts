import { readFileSync } from 'node:fs';
import { freePort } from '../free-ports.ts';
import type { Child } from './child.ts';
import type { Loose } from './kube.ts';
import { runProgram } from './run-program.ts';
import type { ScenarioContext } from './scenario.ts';
import { answers } from './wait.ts';

/** A running gate: a process, started as users start it, by `cuj-gate serve` and its environment. */
export interface Gate {
  readonly url: string;
  readonly child: Child;
  /** Its log, read again on every call: one object for each line. */
  log(): Loose[];
  /** Resolves when it responds; also after a new `child.start()`. */
  untilReady(): Promise<void>;
}

export interface GateOptions {
  /** Path of its registry. */
  registry: string;
  /** The settings that name its metrics backend. */
  source: Record<string, string>;
  /** Settings that are added or replaced. */
  env?: Record<string, string>;
  /** The name of its log file. */
  name?: string;
}

export async function startGate(context: ScenarioContext, options: GateOptions): Promise<Gate> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = context.start({
    name: options.name ?? 'gate',
    command: process.execPath,
    args: [context.gateProgram, 'serve'],
    cwd: context.dir,
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: String(port),
      ...options.source,
      CUJ_GATE_REGISTRY: options.registry,
      // No Service has to remove a pod from its endpoints here.
      CUJ_GATE_DRAIN_DELAY: '0s',
      ...options.env,
    },
  });
  const gate: Gate = {
    url,
    child,
    log: () =>
      readFileSync(child.logFile, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
    async untilReady() {
      await child.untilReady(() => answers(`${url}/readyz`));
    },
  };
  await gate.untilReady();
  return gate;
}

/** What `cuj-gate ARGS` prints. */
export async function cujGate(
  { gateProgram, dir, backend }: ScenarioContext,
  args: string[],
): Promise<string> {
  const { stdout } = await runProgram(process.execPath, [gateProgram, ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, CUJ_GATE_BACKEND: backend === 'datadog' ? backend : 'prometheus' },
  });
  return stdout;
}
