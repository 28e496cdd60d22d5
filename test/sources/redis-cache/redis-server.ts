import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../free-ports.ts';

/** Whether a real redis-server (or valkey-server) is on this machine. */
export const redisProgram = ['redis-server', 'valkey-server'].find(
  (program) => spawnSync(program, ['--version']).status === 0,
);

/** A real server on loopback, without persistence. */
export class RedisServer {
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort());
    await server.start(...options);
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(...options: string[]): Promise<void> {
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.#child = spawn(redisProgram as string, [...own, ...options], { stdio: 'ignore' });
    while (!(await this.#answers())) await delay(10);
  }

  /** Pauses and resumes the process, as a long fork or a starved machine does. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Sends one command on a new connection: `['SET', 'name', 'value']`. */
  async command(...words: string[]): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.write(
        `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
      );
      const [answer] = (await once(socket, 'data')) as [Buffer];
      return answer.toString('latin1');
    } finally {
      socket.destroy();
    }
  }

  async #answers(): Promise<boolean> {
    try {
      const answer = await this.command('PING');
      return /^(\+PONG|-NOAUTH)/.test(answer);
    } catch {
      return false;
    }
  }
}
