import type { AskedAbout, ChangesQuery, GivenChange, GivenRecord } from '../domain/ports/verdict-history.ts';
import { keyOf } from './asked-releases.ts';
import type { ChangeStore, StoredChanges } from './change-store.ts';
import { type KeptVerdict, readChange, readDocument, textOf } from './given-document.ts';
import type { SignedStream } from './signed-stream.ts';

/** One read looks at so many changes at most. */
const maxScanned = 2_000;
/** Replicas take the time by their own clocks, and Redis when a change arrives there. */
const clockSlackMs = 120_000;

/** Keeps changes in a stream of Redis or Valkey, for all replicas. */
export class RedisChangeStore implements ChangeStore {
  readonly #stream: SignedStream;

  constructor(stream: SignedStream) {
    this.#stream = stream;
  }

  async append(kept: KeptVerdict): Promise<void> {
    const { change } = kept;
    await this.#stream.append(change.id, change, await textOf(kept));
  }

  async list(
    { cuj, service, environment, fromMs, toMs, max }: ChangesQuery,
    signal: AbortSignal,
  ): Promise<StoredChanges> {
    const changes: GivenChange[] = [];
    const more = await this.#scan(fromMs, toMs, signal, (change) => {
      const { kind, name } = change.about;
      if (cuj !== undefined && (kind !== 'cuj' || name !== cuj)) return true;
      if (service !== undefined && (kind !== 'service' || name !== service)) return true;
      if (environment !== undefined && change.about.environment !== environment) return true;
      if (changes.length >= max) return false;
      changes.push(change);
      return true;
    });
    return { changes: changes.sort((a, b) => b.atMs - a.atMs), more };
  }

  async latest(
    about: AskedAbout,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ): Promise<GivenRecord | undefined> {
    const key = keyOf(about);
    let newest: GivenChange | undefined;
    await this.#scan(fromMs, toMs, signal, (change) => {
      if (keyOf(change.about) !== key) return true;
      if (newest === undefined || change.atMs > newest.atMs) newest = change;
      // An older one in the stream may have been given later, by another replica.
      return newest.atMs - change.atMs < clockSlackMs;
    });
    if (newest === undefined) return undefined;
    const text = await this.#stream.body(newest.id);
    const given = typeof text === 'string' ? readDocument(text) : undefined;
    return given?.id === newest.id ? given : undefined;
  }

  async close(): Promise<void> {}

  /** Visits changes of a span, newest first, while `visit` returns true. Returns whether there may be more. */
  async #scan(
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
    visit: (change: GivenChange) => boolean,
  ): Promise<boolean> {
    let scanned = 0;
    let before: string | undefined;
    for (;;) {
      signal.throwIfAborted();
      const page = await this.#stream.before(fromMs - clockSlackMs, toMs + clockSlackMs, before);
      for (const value of page.values) {
        const change = readChange(value);
        if (change === undefined || change.atMs < fromMs || change.atMs > toMs) continue;
        if (!visit(change)) return true;
      }
      scanned += page.values.length;
      before = page.last;
      if (!page.more || before === undefined) return false;
      if (scanned >= maxScanned) return true;
    }
  }
}
