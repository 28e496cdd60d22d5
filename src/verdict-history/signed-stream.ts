import type { RedisStore } from '../sources/redis-cache/redis-store.ts';
import type { Seal } from '../sources/redis-cache/signed-envelope.ts';

export interface SignedStreamOptions {
  readonly store: RedisStore;
  readonly seal: Seal;
  /** Of the stream, after the namespace. */
  readonly name: string;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Longer values are none of ours, and are not sent. */
const maxValueBytes = 256 * 1024;
const maxBodyBytes = 8 * 1024 * 1024;
/** What one call reads at most. */
const pageEntries = 200;
const pageBytes = 2 * 1024 * 1024;
/** How many of the oldest one append deletes at most, so that it never takes Redis long. */
const trimmedAtOnce = 50;

/**
 * Appends an entry, and deletes the oldest until what is left is neither too much nor too old. Each entry has the sum of all bytes
 * before it, so that no counter can be lost. Bodies are in a hash, so that reading the stream does not send them.
 */
const appendScript = `
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local sum = 0
if newest then sum = tonumber(newest[2][4]) or 0 end
local bytes = #ARGV[2] + #ARGV[3]
local total = sum + bytes
redis.call('XADD', KEYS[1], '*', 'v', ARGV[2], 'sum', string.format('%.0f', total), 'id', ARGV[1])
if #ARGV[3] > 0 then redis.call('HSET', KEYS[2], ARGV[1], ARGV[3]) end
local deleted = 0
while deleted < tonumber(ARGV[6]) do
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 2)
  if #oldest < 2 then break end
  local old = oldest[1]
  local ms = tonumber(string.match(old[1], '^%d+'))
  local behind = tonumber(oldest[1][2][4]) or 0
  if ms >= tonumber(ARGV[5]) and total - behind <= tonumber(ARGV[4]) then break end
  redis.call('XDEL', KEYS[1], old[1])
  if old[2][6] then redis.call('HDEL', KEYS[2], old[2][6]) end
  deleted = deleted + 1
end
redis.call('PEXPIRE', KEYS[1], ARGV[7])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
return deleted`;

/** Refusals of a server that can keep nothing at the moment. */
const unusable = /^(READONLY|OOM|MASTERDOWN|LOADING|NOAUTH|CLUSTERDOWN|MISCONF)/;

/** A page of entries in either direction, without those that are too long. Returns where it ended, and the entries. */
const readScript = `
local page = redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
local found = {}
local bytes = 0
local last = ''
for _, entry in ipairs(page) do
  local value = entry[2][2]
  if value and #value <= tonumber(ARGV[5]) then
    bytes = bytes + #value
    if bytes > tonumber(ARGV[6]) and #found > 0 then return {last, 1, found} end
    found[#found + 1] = entry[1]
    found[#found + 1] = value
  end
  last = entry[1]
end
return {last, #page == tonumber(ARGV[4]) and 1 or 0, found}`;

/**
 * A stream of signed values in Redis or Valkey (5.0 or later), bounded in bytes and age. Anyone who can write to Redis can delete entries,
 * but not make or change one. Every call rejects with SharedStoreDown while Redis is down or slow.
 */
export class SignedStream {
  readonly #options: SignedStreamOptions;
  /** Stream and hash are one Redis Cluster slot. */
  readonly #name: string;

  constructor(options: SignedStreamOptions) {
    this.#options = options;
    this.#name = `{${options.seal.namespace}}:${options.name}`;
  }

  /** `body` is read by {@link body} alone. Rejects where value or body is too long. */
  async append(id: string, value: unknown, body?: unknown): Promise<void> {
    const { seal, maxBytes, maxAgeMs, now } = this.#options;
    const nowMs = now();
    const signed = await seal.close(this.#name, value, nowMs);
    const signedBody =
      body === undefined ? Buffer.alloc(0) : await seal.close(this.#bodyName(id), body, nowMs);
    if (signed.length > maxValueBytes) throw new Error(`an entry of ${signed.length} bytes is too long`);
    if (signedBody.length > maxBodyBytes)
      throw new Error(`a record of ${signedBody.length} bytes is too long`);
    const limits = [maxBytes, nowMs - maxAgeMs, trimmedAtOnce, maxAgeMs];
    await this.#ask((redis, prefix) =>
      redis.eval(appendScript, 2, ...this.#keys(prefix), id, signed, signedBody, ...limits),
    );
  }

  /** A page of entries after a stream id (`0`: from the oldest on), oldest first, with where to read on. */
  after(streamId: string): Promise<Page> {
    return this.#page('XRANGE', streamId === '0' ? '-' : following(streamId), '+');
  }

  /** A page of entries that Redis took until `toMs` by its own clock, newest first, before a stream id where one is given. */
  before(fromMs: number, toMs: number, streamId?: string): Promise<Page> {
    const to = streamId === undefined ? String(Math.ceil(toMs)) : preceding(streamId);
    return to === undefined
      ? Promise.resolve({ values: [], last: undefined, more: false })
      : this.#page('XREVRANGE', to, String(Math.max(0, Math.floor(fromMs))));
  }

  /** Undefined where there is none, or it is none of ours. */
  async body(id: string): Promise<unknown> {
    const { seal, now, maxAgeMs } = this.#options;
    const bytes = await this.#ask(async (redis, prefix) => {
      const [, hash] = this.#keys(prefix);
      const length = await redis.hstrlen(hash, id);
      return length === 0 || length > maxBodyBytes ? undefined : await redis.hgetBuffer(hash, id);
    });
    if (bytes === undefined || bytes === null) return undefined;
    return seal.open(this.#bodyName(id), bytes, now(), maxAgeMs);
  }

  async #page(command: 'XRANGE' | 'XREVRANGE', from: string, to: string): Promise<Page> {
    const { seal, now, maxAgeMs } = this.#options;
    const [last, more, found] = (await this.#ask((redis, prefix) =>
      redis.callBuffer(
        'EVAL',
        readScript,
        1,
        this.#keys(prefix)[0],
        command,
        from,
        to,
        pageEntries,
        maxValueBytes,
        pageBytes,
      ),
    )) as [Buffer, number, Buffer[]];
    const values: unknown[] = [];
    for (let i = 0; i + 1 < found.length; i += 2) {
      const value = await seal.open(this.#name, found[i + 1] as Buffer, now(), maxAgeMs);
      if (value !== undefined) values.push(value);
    }
    return { values, last: last.length === 0 ? undefined : last.toString('latin1'), more: more === 1 };
  }

  /** A command that Redis refuses, by a permission or the kind of a key, is not a store that is down: others would succeed. */
  async #ask<T>(commands: Parameters<typeof RedisStore.prototype.run<T>>[0]): Promise<T> {
    const answer = await this.#options.store.run(async (redis, prefix) => {
      try {
        return { value: await commands(redis, prefix) };
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'ReplyError' || unusable.test(error.message))
          throw error;
        return { refusal: error };
      }
    });
    if ('refusal' in answer) throw answer.refusal;
    return answer.value;
  }

  #bodyName(id: string): string {
    return `${this.#name}:body:${id}`;
  }

  #keys(prefix: string): [string, string] {
    return [`${prefix}${this.#name}`, `${prefix}${this.#name}:bodies`];
  }
}

export interface Page {
  /** What replicas of ours wrote; the rest is left out. */
  readonly values: readonly unknown[];
  /** The stream id of the last entry of the page, also where it is none of ours; undefined where the page is empty. */
  readonly last: string | undefined;
  /** Whether there are more after it. */
  readonly more: boolean;
}

/** The least stream id after this one. `(` needs Redis 6.2. */
function following(streamId: string): string {
  const [ms, n] = partsOf(streamId);
  return `${ms}-${n + 1n}`;
}

/** The greatest stream id before this one. */
function preceding(streamId: string): string | undefined {
  const [ms, n] = partsOf(streamId);
  if (n > 0n) return `${ms}-${n - 1n}`;
  return ms > 0n ? String(ms - 1n) : undefined;
}

function partsOf(streamId: string): [ms: bigint, n: bigint] {
  const [ms = '0', n = '0'] = streamId.split('-');
  return [BigInt(ms), BigInt(n)];
}
