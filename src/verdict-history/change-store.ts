import type { AskedAbout, ChangesQuery, GivenChange, GivenRecord } from '../domain/ports/verdict-history.ts';
import type { KeptVerdict } from './given-document.ts';

/** Where changes of verdicts are kept. The store bounds their number, and may lose the oldest at any time. */
export interface ChangeStore {
  /** Rejects with the reason where it could not be kept. Never called again before it has settled. */
  append(kept: KeptVerdict): Promise<void>;
  /** Newest first, with repetitions; rejects where the store does not answer. Stops when the signal aborts. */
  list(query: ChangesQuery, signal: AbortSignal): Promise<StoredChanges>;
  /** The newest about the same at or before `toMs`, and not before `fromMs`. */
  latest(
    about: AskedAbout,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ): Promise<GivenRecord | undefined>;
  close(): Promise<void>;
}

export interface StoredChanges {
  readonly changes: readonly GivenChange[];
  /** Whether there may be older ones in the span. */
  readonly more: boolean;
}
