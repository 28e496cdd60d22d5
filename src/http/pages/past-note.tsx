import { clockText, momentText } from './page-text.ts';

/** How the verdict of a past moment was found. */
export interface PastView {
  /** Epoch ms. */
  readonly atMs: number;
  /** `given`: kept when it was given. `recomputed`: from the data and the registry of now. */
  readonly source: 'given' | 'recomputed';
  /** The other one, where both are known and differ, and what that means. */
  readonly note?: string;
}

/** Says that a page is about a moment in the past, and how its verdict was found. */
export function PastNote({ past }: { past: PastView }) {
  return (
    <aside class="past" aria-label="A moment in the past">
      <p>
        {past.source === 'given' ? (
          <>
            <strong>As given</strong> at {momentText(past.atMs)} ({clockText(past.atMs)}): this is what the
            caller got.
          </>
        ) : (
          <>
            <strong>Recomputed</strong> as of {momentText(past.atMs)} ({clockText(past.atMs)}), from the
            metrics and the registry of now. It is not a verdict for a rollout.
          </>
        )}
        {past.note !== undefined && <> {past.note}</>}
      </p>
    </aside>
  );
}
