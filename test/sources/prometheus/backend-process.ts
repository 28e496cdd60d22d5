import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const setpriv = '/usr/bin/setpriv';
/** A test process that is killed ends what it started. */
const untilOurEnd = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : [];

/** Processes of one backend, with a folder for their data. All end together. */
export class BackendProcesses {
  readonly folder: string;
  readonly #children = new Map<string, ChildProcess>();

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `${name}-`));
  }

  /** Starts a program, and resolves when an address answers 200. Throws where it ends before, with the end of its log. */
  async start(name: string, command: string, args: readonly string[], readyUrl: string): Promise<void> {
    const log = join(this.folder, `${name}.log`);
    const output = createWriteStream(log);
    await once(output, 'open');
    const [file, ...own] = [...untilOurEnd, command, ...args] as [string, ...string[]];
    const child = spawn(file, own, { cwd: this.folder, stdio: ['ignore', output, output] });
    output.close();
    this.#children.set(name, child);
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) {
        const said = readFileSync(log, 'utf8').slice(-2_000);
        throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}:\n${said}`);
      }
      const isReady = await fetch(readyUrl).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) return;
      await delay(50);
    }
  }

  /** Kills one of them. */
  async kill(name: string): Promise<void> {
    const child = this.#children.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Kills all of them and removes their data. */
  async close(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((name) => this.kill(name)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
