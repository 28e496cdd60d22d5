import type { Verdict } from './judge.ts';
import type { ServiceVerdict } from './judge-service.ts';
import { summaryText } from './summary.ts';

/**
 * The answer to a question as of a moment in the past. It has no `ok`, no `verdict` and no `reason`, so that no condition of an
 * analysis template takes it for a verdict.
 */
export interface Recomputed<V extends Verdict | ServiceVerdict = Verdict | ServiceVerdict> {
  /** Begins with RECOMPUTED. */
  readonly summary: string;
  /** RFC 3339. */
  readonly at: string;
  readonly hint: string;
  readonly recomputed: V;
}

export function recomputedAt<V extends Verdict | ServiceVerdict>(atMs: number, verdict: V): Recomputed<V> {
  const at = new Date(atMs).toISOString();
  return {
    summary: summaryText(`RECOMPUTED as of ${at}: ${verdict.summary}`),
    at,
    hint: 'This is made of what is known now: the data of now, which may have arrived later, and the registry of now. The verdict that was given then may have been another.',
    recomputed: verdict,
  };
}
