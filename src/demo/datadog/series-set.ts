/** The span and the grid of one evaluation; all epoch or plain milliseconds. */
export interface Frame {
  readonly fromMs: number;
  readonly toMs: number;
  readonly intervalMs: number;
  /** Whether the bucket that holds `fromMs` is counted from `fromMs` on, or left out as in series. */
  readonly firstBucket: 'clipped' | 'left out';
}

export interface Group {
  /** `key:value`, in the order of the by-clause. */
  readonly tags: readonly string[];
  /** Bucket start (epoch ms) → value. An absent bucket has no data. */
  readonly points: ReadonlyMap<number, number>;
}

export interface SeriesSet {
  readonly by: readonly string[];
  readonly groups: ReadonlyMap<string, Group>;
  /** Bucket width of `points`; 0 after `reduce`. */
  readonly intervalMs: number;
}
