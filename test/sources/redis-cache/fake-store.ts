import { type SharedStore, SharedStoreDown } from '../../../src/sources/redis-cache/store-port.ts';

/** An in-memory store with the behaviour of Redis and a clock that the test sets. */
export class FakeStore implements SharedStore {
  readonly values = new Map<string, { readonly value: Buffer; readonly endMs: number }>();
  down = false;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async get(name: string): Promise<Buffer | undefined> {
    return this.#live(name);
  }

  async leftMs(name: string): Promise<number | undefined> {
    if (this.#live(name) === undefined) return undefined;
    return (this.values.get(name)?.endMs ?? 0) - this.#now();
  }

  async set(name: string, value: Buffer, ttlMs: number): Promise<void> {
    this.#live(name);
    this.values.set(name, { value, endMs: this.#now() + ttlMs });
  }

  async acquire(name: string, token: string, ttlMs: number): Promise<boolean> {
    if (this.#live(name) !== undefined) return false;
    await this.set(name, Buffer.from(token), ttlMs);
    return true;
  }

  async extend(name: string, token: string, ttlMs: number): Promise<void> {
    if (this.#live(name)?.toString() === token) await this.set(name, Buffer.from(token), ttlMs);
  }

  async release(name: string, token: string): Promise<void> {
    if (this.#live(name)?.toString() === token) this.values.delete(name);
  }

  /** The names of held locks. */
  locks(): string[] {
    return [...this.values.keys()].filter((name) => name.endsWith(':lock') && this.#live(name) !== undefined);
  }

  #live(name: string): Buffer | undefined {
    if (this.down) throw new SharedStoreDown('it is down');
    const kept = this.values.get(name);
    if (kept === undefined || kept.endMs > this.#now()) return kept?.value;
    this.values.delete(name);
    return undefined;
  }
}
