/**
 * What replicas share: small values with a lifetime, and locks that end by themselves. Every call settles within some
 * 150 ms, and rejects with SharedStoreDown where the store cannot be asked: callers continue without it.
 */
export interface SharedStore {
  /** Undefined where there is none. What comes back may have been written by anybody. */
  get(name: string): Promise<Buffer | undefined>;
  /** How long what is kept under the name still lives, in ms; undefined where nothing is, or it never ends. */
  leftMs(name: string): Promise<number | undefined>;
  set(name: string, value: Buffer, ttlMs: number): Promise<void>;
  /** Takes a lock for so long; false where somebody has it. `token` tells the holder from others. */
  acquire(name: string, token: string, ttlMs: number): Promise<boolean>;
  /** The holder keeps its lock for so long from now; does nothing where it is not the holder any more. */
  extend(name: string, token: string, ttlMs: number): Promise<void>;
  release(name: string, token: string): Promise<void>;
}

/** The store is down, slow, or refuses: always the same thing to do, go on without it. */
export class SharedStoreDown extends Error {
  override readonly name = 'SharedStoreDown';
}
