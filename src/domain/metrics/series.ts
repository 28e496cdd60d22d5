/** Counts per bucket; index 0 is the bucket that begins at the snapshot's `fromMs`. Both arrays are equally long. */
export interface Series {
  readonly total: Float64Array;
  readonly bad: Float64Array;
  /**
   * The part of `total` that carries a status: only among these can a failure be seen. Absent where bad events are told by
   * something else. The very array of `total` where every request has one.
   */
  readonly withStatus?: Float64Array;
  /**
   * The part of `total` that one query counts and that no other counts as good or as bad, such as requests that arrived in
   * between. Not in `bad`. Absent where there are none.
   */
  readonly unclassified?: Float64Array;
}

const zerosByLength = new Map<number, Float64Array>();

/** The same array of zeros for each length: most series of bad events have none. Not to be written to. */
export function noEvents(length: number): Float64Array {
  const known = zerosByLength.get(length);
  if (known !== undefined) return known;
  // A process has a few lengths at a time: those of its windows.
  if (zerosByLength.size >= 16) zerosByLength.clear();
  const zeros = new Float64Array(length);
  zerosByLength.set(length, zeros);
  return zeros;
}

/** One side (canary or stable) of one service. A series that is absent had no point at all in the span. */
export interface SideCounts {
  /** Requests of the whole service, and those of them that end in 5XX; where nothing is judged by that, those that fail otherwise. */
  readonly whole: Series | undefined;
  /** By the key of the endpoint. */
  readonly requests: ReadonlyMap<string, Series>;
  /**
   * Requests and failed ones where something else than 5XX is a failure: by the text of the definition, then the key of the
   * endpoint (`*` for the whole service). Absent where there is no such definition.
   */
  readonly failures?: ReadonlyMap<string, ReadonlyMap<string, Series>>;
  /** By latency threshold in ms, then the key of the endpoint (`*` for the whole service): total, and slower than that. */
  readonly latency: ReadonlyMap<number, ReadonlyMap<string, Series>>;
}

/** The sums of some counts of the same buckets. Precondition: there is one at least. */
export function addedUp([first, ...others]: readonly Float64Array[]): Float64Array {
  if (others.length === 0) return first as Float64Array;
  return (first as Float64Array).map((count, i) =>
    others.reduce((sum, other) => sum + (other[i] as number), count),
  );
}

/** The series of an endpoint with failures that may be of it, or of another one. */
export function withLost(series: Series | undefined, lost: Float64Array | undefined): Series | undefined {
  if (lost === undefined || lost.every((count) => count === 0)) return series;
  const none = noEvents(lost.length);
  const { total, bad, withStatus, unclassified = none } = series ?? { total: none, bad: none };
  return {
    total: addedUp([total, lost]),
    bad,
    // A failure is known by its status.
    ...(withStatus === undefined ? {} : { withStatus: addedUp([withStatus, lost]) }),
    unclassified: addedUp([unclassified, lost]),
  };
}
