import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { alive, signalGroup, spawnTied } from './mortal.ts';
import { waitFor } from './wait.ts';

/** Programs that run during the scenarios; all of them end with the run. */

export interface Program {
  /** Its name in failure messages and of its log file. */
  name: string;
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The folder of `<name>.log`. */
  logDir: string;
}

export class Child {
  readonly name: string;
  readonly logFile: string;
  #program: Program;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  /** How it ended unexpectedly; undefined if it did not. */
  died: string | undefined;

  constructor(program: Program) {
    this.#program = program;
    this.name = program.name;
    this.logFile = path.join(program.logDir, `${program.name}.log`);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  /** Starts it, appending to the log of an earlier start. */
  start(): this {
    if (this.#process) throw new Error(`${this.name} is running already`);
    const { command, args, env, cwd, logDir } = this.#program;
    mkdirSync(logDir, { recursive: true });
    const log = openSync(this.logFile, 'a');
    const child = spawnTied(command, args, { cwd, env: env ?? process.env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#process = child;
    this.died = undefined;
    alive.add(this);
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        // Still registered, so this exit is unexpected.
        if (alive.delete(this)) {
          this.died = how;
          console.error(`${this.name} ended by itself with ${how}; its log ends with:\n${this.tail()}`);
        }
        this.#process = undefined;
        resolve();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
    return this;
  }

  /**
   * Waits until `probe` returns a truthy value; throws at once when the program ends. The two minutes are for a busy
   * machine: usually it takes seconds.
   */
  async untilReady<T>(probe: () => T | Promise<T>, timeoutMs = 120_000): Promise<T> {
    const hopeless = () => this.died && `it ended with ${this.died}`;
    try {
      return await waitFor(probe, { what: `${this.name} to be ready`, timeoutMs, hopeless });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${why}\n${this.logFile} ends with:\n${this.tail()}`);
    }
  }

  /** Sends SIGTERM, and kills its whole process group if it has not ended after `graceMs`. */
  async stop(graceMs = 5_000): Promise<void> {
    alive.delete(this);
    this.signal('SIGTERM');
    const late = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(late);
  }

  /** Kills it at once, like a crash or the kernel's out-of-memory killer. */
  async kill(): Promise<void> {
    alive.delete(this);
    this.signal('SIGKILL');
    await this.#ended;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  signal(signal: NodeJS.Signals): void {
    signalGroup(this.#process?.pid, signal);
  }

  /** The end of its log, indented for a failure message. */
  tail(lines = 15): string {
    const text = existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8').trimEnd() : '';
    return text === ''
      ? '    (empty)'
      : text
          .split('\n')
          .slice(-lines)
          .map((line) => `    ${line.slice(0, 400)}`)
          .join('\n');
  }
}
