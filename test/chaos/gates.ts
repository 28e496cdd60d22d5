import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';

/** A gate in its own process, started as users start it, and its log. */

export interface GateProgram {
  readonly name: string;
  /** The bundle. */
  readonly file: string;
  readonly cwd: string;
  readonly port: number;
  /** `life`: see {@link GateProcess.life}. */
  readonly env: (life: string) => Readonly<Record<string, string>>;
  /** Whether it collects all garbage on demand (heap-probe.mjs); otherwise it runs exactly as users start it. */
  readonly probed?: boolean;
  /** How many bytes of every request it keeps for ever (leak.mjs); 0 for none. */
  readonly leakBytes?: number;
}

/** Live memory after a collection of all garbage. */
export interface HeapAfterCollection {
  readonly heapMb: number;
  /** Outside of V8's heap, array buffers included. */
  readonly externalMb: number;
}

const wrongClockArguments = ['--import', path.join(import.meta.dirname, 'wrong-clock.mjs')];
const leakArguments = ['--import', path.join(import.meta.dirname, 'leak.mjs')];
const probeArguments = ['--expose-gc', '--import', path.join(import.meta.dirname, 'heap-probe.mjs')];

/** Messages that no run may log: they are bugs of the gate. */
const forbidden = /uncaught|unhandled|cache write failed|internal error|request failed/i;

export class GateProcess {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly #program: GateProgram;
  #process: ChildProcess | undefined;
  #life = 0;
  #skewMs = 0;
  /** Forbidden log lines, and all output on stderr. */
  readonly complaints: string[] = [];
  /** Messages of WARN and above, counted. */
  readonly logged = new Map<string, number>();
  /** Unexpected exits. */
  readonly deaths: string[] = [];
  #expectedEnd = false;

  constructor(program: GateProgram) {
    this.name = program.name;
    this.port = program.port;
    this.url = `http://127.0.0.1:${program.port}`;
    this.#program = program;
  }

  get running(): boolean {
    return (
      this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  /** Identifies this start of the gate: its key in calls to the backend. */
  get life(): string {
    return `${this.name}-${this.#life}`;
  }

  /** How far its clock is ahead of the machine's since this start, in ms. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Starts it with a clock that is ahead by `skewMs`. Resolves when it is ready, or with its exit code. */
  async start(skewMs = 0): Promise<number | 'ready'> {
    this.#life += 1;
    this.#skewMs = skewMs;
    this.#expectedEnd = false;
    const { file, cwd, env, port, probed = false, leakBytes = 0 } = this.#program;
    const args = [
      ...(probed ? probeArguments : []),
      ...(leakBytes === 0 ? [] : leakArguments),
      ...(skewMs === 0 ? [] : wrongClockArguments),
    ];
    const child = spawn(process.execPath, [...args, file, 'serve'], {
      cwd,
      env: {
        CHAOS_CLOCK_SKEW_MS: String(skewMs),
        CHAOS_LEAK_BYTES: String(leakBytes),
        PATH: process.env.PATH,
        HOST: '127.0.0.1',
        PORT: String(port),
        ...env(this.life),
      },
      stdio: ['ignore', 'pipe', 'pipe', ...(probed ? (['ipc'] as const) : [])],
    });
    this.#process = child;
    this.#listen(child);
    for (;;) {
      if (child.exitCode !== null) return child.exitCode;
      const status = await request(`${this.url}/readyz`)
        .then(async ({ statusCode, body }) => {
          await body.dump();
          return statusCode;
        })
        .catch(() => 0);
      if (status === 200) return 'ready';
      await sleep(20);
    }
  }

  #listen(child: ChildProcess): void {
    const life = this.life;
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() as string;
      for (const line of lines) this.#read(line);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      // A start with a bad registry reports that here.
      if (!this.#expectedEnd) this.complaints.push(`${life} on stderr: ${text.slice(0, 500)}`);
    });
    child.on('exit', (code, signal) => {
      if (!this.#expectedEnd) this.deaths.push(`${life} ended with ${code ?? signal}`);
    });
  }

  #read(line: string): void {
    let entry: { level?: string; msg?: string };
    try {
      entry = JSON.parse(line);
    } catch {
      this.complaints.push(`${this.life} logged what is not JSON: ${line.slice(0, 300)}`);
      return;
    }
    if (entry.level === 'fatal' || forbidden.test(entry.msg ?? ''))
      this.complaints.push(`${this.life}: ${line.slice(0, 500)}`);
    if (entry.level !== 'info') {
      const key = `${entry.level} ${entry.msg}`;
      this.logged.set(key, (this.logged.get(key) ?? 0) + 1);
    }
  }

  /** Collects all garbage in a probed gate. Undefined where it has not answered within 10 s. */
  async collect(): Promise<HeapAfterCollection | undefined> {
    const child = this.#process;
    if (child === undefined || !this.running) return undefined;
    const answer = once(child, 'message', { signal: AbortSignal.timeout(10_000) });
    child.send('collect');
    try {
      const [{ heapBytes, externalBytes }] = await answer;
      return { heapMb: heapBytes / 1e6, externalMb: externalBytes / 1e6 };
    } catch {
      return undefined;
    }
  }

  /** From now on its exit is expected. */
  expectEnd(): void {
    this.#expectedEnd = true;
  }

  /** Resolves with its exit code once it has ended. */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#process;
    if (child === undefined || !this.running) return null;
    this.#expectedEnd = true;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }
}

/** A Redis that is killed and started again; does nothing on a machine without one. */
export class RedisProcess {
  readonly port: number;
  readonly #program: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;
  kills = 0;

  constructor(program: string, port: number, folder: string) {
    this.#program = program;
    this.port = port;
    this.#folder = folder;
  }

  start(): void {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.#process = spawn(this.#program, args, { cwd: this.#folder, stdio: 'ignore' });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    this.kills += 1;
  }

  /** Pauses the process with its connections open, as on a machine that swaps. */
  async freeze(ms: number): Promise<void> {
    this.#process?.kill('SIGSTOP');
    await sleep(ms);
    this.#process?.kill('SIGCONT');
  }
}
