import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ProgramCall, prepareProgram } from '../../../src/demo/prometheus/program.ts';
import { scrapeIntervalMs } from './scraped-world.ts';

/** While it was away, epoch ms. */
interface Absence {
  readonly fromMs: number;
  untilMs: number;
}

/** A Prometheus that is killed and started again, with the data that it had. */
export class PrometheusProcess {
  readonly #call: ProgramCall;
  #process: ChildProcess | undefined;
  readonly #absences: Absence[] = [];

  constructor(folder: string, port: number, targetsUrl: string) {
    this.#call = prepareProgram({ program: 'prometheus', folder, port, scrapeIntervalMs, targetsUrl });
  }

  get url(): string {
    return this.#call.url;
  }

  /** Epoch ms. */
  get kills(): number {
    return this.#absences.length;
  }

  /** Resolves when it can be asked. Throws where it ends before. */
  async start(): Promise<void> {
    const { command, args, readyUrl } = this.#call;
    const child = spawn(command, args, { stdio: 'ignore' });
    this.#process = child;
    let failure: Error | undefined;
    child.once('error', (error) => {
      failure = error;
    });
    for (;;) {
      if (failure !== undefined) throw failure;
      if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`);
      if (child.signalCode !== null) return;
      if (await isOk(readyUrl)) break;
      await sleep(50);
    }
    const absence = this.#absences.at(-1);
    if (absence !== undefined) absence.untilMs = Date.now();
  }

  /** Returns when it was killed, epoch ms. */
  async kill(): Promise<number> {
    const fromMs = Date.now();
    this.#absences.push({ fromMs, untilMs: Number.POSITIVE_INFINITY });
    const child = this.#process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    return fromMs;
  }

  /** Whether it could be asked all the time between two times, epoch ms. */
  wasThere(fromMs: number, toMs: number): boolean {
    return !this.#absences.some((one) => one.fromMs <= toMs && fromMs <= one.untilMs);
  }
}

async function isOk(url: string): Promise<boolean> {
  return await fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}
