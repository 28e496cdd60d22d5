import { clockText, dayText } from './page-text.ts';

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
export function PastNote({ past, nowHref }: { past: PastView; nowHref: string }) {
  return (
    <aside class="past" aria-label="A moment in the past">
      <p>
        {past.source === 'given' ? (
          <>
            <strong>As given</strong>: the last answer until {dayText(past.atMs)} {clockText(past.atMs)} UTC.
          </>
        ) : (
          <>
            <strong>Recomputed</strong> as of {dayText(past.atMs)} {clockText(past.atMs)} UTC, from the
            metrics and the registry of now. {past.note === undefined && <> No rollout got this answer.</>}
          </>
        )}
        {past.note !== undefined && <> {past.note}</>} <a href={nowHref}>See now</a>.
      </p>
    </aside>
  );
}
