import { Redis } from 'ioredis';
import { type SharedStore, SharedStoreDown } from './store-port.ts';

export interface RedisStoreOptions {
  /** `redis://` or `rediss://`, with user, password and database where needed. */
  readonly url: string;
  /** Put before every name. */
  readonly prefix: string;
  /** For one command, in ms. Default 150. */
  readonly commandTimeoutMs?: number;
  /** How often a store that is lost is tried, in ms. Default 1,000. */
  readonly probeEveryMs?: number;
  /** Told when the store comes into use and when it is lost, once for each, with the reason. */
  readonly onChange?: (up: boolean, why: string) => void;
  /** Called for every command that failed or took too long. */
  readonly onError?: () => void;
}

const defaultCommandTimeoutMs = 150;
/** So many commands in a row that took too long, and the store is not asked any more. */
const timeoutsToGoDown = 3;
/** Then it is tried so often, until it has answered in time so many times in a row. */
const defaultProbeEveryMs = 1_000;
const probesToComeBack = 3;
/** Longer values are not entries of the gate, and are not read to their end. */
const maxValueBytes = 16 * 1024 * 1024;
const maxReconnectMs = 2_000;
/** A connection on which nothing comes back for so long is made anew. */
const silentMs = 5_000;

const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;
const extendScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;

/**
 * The SharedStore in Redis or Valkey. It is in use while it answers in time; when it does not, or refuses (read-only,
 * out of memory, no permission), every call rejects at once until it has been tried with success, in the background.
 */
export class RedisStore implements SharedStore {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #onChange: (up: boolean, why: string) => void;
  readonly #onError: () => void;
  readonly #probeEveryMs: number;
  #state: 'unknown' | 'up' | 'down' = 'unknown';
  #timeouts = 0;
  #goodProbes = 0;
  #probing: NodeJS.Timeout | undefined;
  #why = 'not connected yet';
  #closed = false;

  constructor(options: RedisStoreOptions) {
    this.#prefix = options.prefix;
    this.#onChange = options.onChange ?? (() => {});
    this.#onError = options.onError ?? (() => {});
    this.#probeEveryMs = options.probeEveryMs ?? defaultProbeEveryMs;
    this.#redis = new Redis(options.url, {
      lazyConnect: true,
      connectionName: 'cuj-gate',
      // All that is asked of it is older than RESP3.
      protocol: 2,
      commandTimeout: options.commandTimeoutMs ?? defaultCommandTimeoutMs,
      connectTimeout: 2_000,
      socketTimeout: silentMs,
      // What cannot be asked now is asked of the source now.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      // INFO needs a permission; the probe is enough.
      enableReadyCheck: false,
      retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times - 1, 10), maxReconnectMs),
    });
    // Why a connection could not be made, or the password was refused; what was open says nothing more than 'close'.
    this.#redis.on('error', ({ message }: Error) => this.#down(message));
    this.#redis.on('close', () => this.#down('the connection was closed'));
    this.#redis.on('ready', () => void this.#probe());
    this.#redis.connect().catch(() => {});
  }

  get up(): boolean {
    return this.#state === 'up';
  }

  get(name: string): Promise<Buffer | undefined> {
    return this.#run(async (redis) => {
      try {
        const value = await redis.getrangeBuffer(this.#prefix + name, 0, maxValueBytes);
        return value.length === 0 ? undefined : value;
      } catch (error) {
        // A list or a hash under our name: there, but not ours.
        if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return Buffer.alloc(1);
        throw error;
      }
    });
  }

  leftMs(name: string): Promise<number | undefined> {
    return this.#run(async (redis) => {
      // Below 0: there is no such value, or nothing ends it.
      const leftMs = await redis.pttl(this.#prefix + name);
      return leftMs < 0 ? undefined : leftMs;
    });
  }

  set(name: string, value: Buffer, ttlMs: number): Promise<void> {
    return this.#run(async (redis) => {
      await redis.set(this.#prefix + name, value, 'PX', ttlMs);
    });
  }

  acquire(name: string, token: string, ttlMs: number): Promise<boolean> {
    return this.#run(
      async (redis) => (await redis.set(this.#prefix + name, token, 'PX', ttlMs, 'NX')) === 'OK',
    );
  }

  extend(name: string, token: string, ttlMs: number): Promise<void> {
    return this.#run(async (redis) => {
      await redis.eval(extendScript, 1, this.#prefix + name, token, ttlMs);
    });
  }

  release(name: string, token: string): Promise<void> {
    return this.#run(async (redis) => {
      await redis.eval(releaseScript, 1, this.#prefix + name, token);
    });
  }

  /** Lets go of the connection at once. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#probing);
    this.#redis.disconnect();
  }

  /** Runs commands while the store is in use; names that they take begin with `prefix`. Rejects with SharedStoreDown. */
  run<T>(commands: (redis: Redis, prefix: string) => Promise<T>): Promise<T> {
    return this.#run((redis) => commands(redis, this.#prefix));
  }

  async #run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#state !== 'up') throw new SharedStoreDown(this.#why);
    try {
      const answer = await command(this.#redis);
      this.#timeouts = 0;
      return answer;
    } catch (error) {
      const { message } = error as Error;
      this.#onError();
      if (message !== timedOut) this.#down(message);
      else if (++this.#timeouts >= timeoutsToGoDown) this.#down('it takes too long to answer');
      throw new SharedStoreDown(message, { cause: error });
    }
  }

  #down(why: string): void {
    if (this.#closed) return;
    this.#goodProbes = 0;
    this.#why = why;
    this.#probing ??= setInterval(() => void this.#probe(), this.#probeEveryMs).unref();
    if (this.#state === 'down') return;
    this.#state = 'down';
    this.#onChange(false, why);
  }

  /** Writes, since that is what a replica, a full memory or a wrong permission would refuse. */
  async #probe(): Promise<void> {
    if (this.#closed || this.#state === 'up' || this.#redis.status !== 'ready') return;
    try {
      await this.#redis.set(`${this.#prefix}probe`, '1', 'PX', 1_000);
    } catch (error) {
      this.#onError();
      this.#down((error as Error).message);
      return;
    }
    this.#goodProbes += 1;
    // It has not failed yet: then there is nothing to make sure of.
    if (this.#state === 'down' && this.#goodProbes < probesToComeBack) return;
    clearInterval(this.#probing);
    this.#probing = undefined;
    this.#timeouts = 0;
    this.#state = 'up';
    this.#onChange(true, 'it answers in time');
  }
}

/** What ioredis says when a command has taken longer than commandTimeout. */
const timedOut = 'Command timed out';
