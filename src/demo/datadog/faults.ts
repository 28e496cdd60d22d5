/** One way for Datadog to misbehave. `times` calls (all, when left out) whose path contains `path` (any). */
export type Fault = { readonly times?: number; readonly path?: string } & (
  | TransportFault
  | { readonly kind: 'rate_limit_headers'; readonly limits: RateLimit }
  | AnswerFault
);

/** The numbers of the `X-RateLimit-*` headers. */
export interface RateLimit {
  readonly limit: number;
  readonly periodSeconds: number;
  readonly remaining: number;
  readonly resetSeconds: number;
  readonly name: string;
}

/** Faults that replace the answer or its transport. */
export type TransportFault =
  | { readonly kind: 'rate_limited'; readonly limits?: Partial<RateLimit> }
  | { readonly kind: 'status'; readonly status: number; readonly body?: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'reset_mid_body' }
  | { readonly kind: 'html' }
  | { readonly kind: 'cut_off' }
  | { readonly kind: 'empty_body' }
  /** The error of `Date`: above 0 it is ahead of the simulator's clock, as for a caller whose clock is slow. */
  | { readonly kind: 'date_shifted'; readonly offsetMs: number }
  /** The text of `Date`, null for no header; with `ageSeconds` also an `Age` header, as caches send it. */
  | { readonly kind: 'date_replaced'; readonly date: string | null; readonly ageSeconds?: number };

/** Faults in the content of a v2 timeseries or scalar answer whose form is valid. */
export type AnswerFault =
  | { readonly kind: 'nan_strings' }
  | { readonly kind: 'infinite_values' }
  | { readonly kind: 'negative_counts' }
  /** `bad` lists the formulas that are set above their total; by default those whose query speaks of errors. */
  | { readonly kind: 'more_bad_than_total'; readonly bad?: readonly number[] }
  | { readonly kind: 'groups_cut_off'; readonly keep: number }
  | ({ readonly kind: 'missing_series' } & MissingSeries)
  /** Points of a coarser grid than was asked for, each the sum of what it covers. */
  | { readonly kind: 'coarse_points'; readonly everyMs: number }
  | { readonly kind: 'reordered' }
  | { readonly kind: 'misaligned_times'; readonly offsetMs?: number }
  | { readonly kind: 'duplicated_groups' }
  | { readonly kind: 'unknown_groups'; readonly count?: number }
  | { readonly kind: 'newest_minute_halved' }
  /**
   * The last minutes of the queried span are empty for all series: ingestion stopped and has not caught up. For a lasting
   * delay that catches up, see EventStore.delayIngestion.
   */
  | { readonly kind: 'newest_minutes_missing'; readonly minutes: number };

/** Which series of an answer is lost; by default the first one, with all of its points. */
export interface MissingSeries {
  /** Only series of this query: its formula, such as `c_all_bad_0`, or the formula's number. */
  readonly query?: string | number;
  /** Only series whose tags contain this. */
  readonly match?: string;
  /** Which of these series, counted from 0. It wraps around, so that any whole number hits some series. */
  readonly nth?: number;
  /** Which of its points are lost; a series without a remaining point is removed. */
  readonly points?: 'all' | 'oldest' | 'newest' | 'older_half' | 'newer_half' | 'every_second';
}

/** The input of a fault function. */
export interface FaultedCall {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Decides for each call; several faults can apply to one call. */
export type FaultFunction = (call: FaultedCall) => Fault | readonly Fault[] | undefined;

/** Pending faults. Each applies to its next `times` matching calls and is then removed. */
export class FaultList {
  #pending: Array<{ fault: Fault; left: number; struck: number }> = [];
  #decide: FaultFunction | undefined;

  /** Adds faults; the returned function removes them. */
  push(...faults: readonly Fault[]): () => void {
    const added = faults.map((fault) => ({
      fault,
      left: fault.times ?? Number.POSITIVE_INFINITY,
      struck: 0,
    }));
    this.#pending.push(...added);
    return () => {
      this.#pending = this.#pending.filter((entry) => !added.includes(entry));
    };
  }

  set(decide: FaultFunction | undefined): void {
    this.#decide = decide;
  }

  clear(): void {
    this.#pending = [];
    this.#decide = undefined;
  }

  /** The faults of this call; their remaining times are reduced. */
  take(call: FaultedCall): Fault[] {
    const struck: Fault[] = [];
    for (const entry of this.#pending) {
      if (entry.left === 0 || (entry.fault.path !== undefined && !call.path.includes(entry.fault.path)))
        continue;
      entry.left--;
      struck.push(countedDown(entry.fault, entry.struck++));
    }
    this.#pending = this.#pending.filter((entry) => entry.left > 0);
    const decided = this.#decide?.(call);
    return decided === undefined ? struck : struck.concat(decided);
  }
}

/** The fault after it has applied to `already` calls: each uses up one of the remaining calls. */
function countedDown(fault: Fault, already: number): Fault {
  if (fault.kind !== 'rate_limit_headers') return fault;
  return { ...fault, limits: { ...fault.limits, remaining: Math.max(0, fault.limits.remaining - already) } };
}

export function rateLimitHeaders(limits: RateLimit): Record<string, string> {
  return {
    'X-RateLimit-Limit': String(limits.limit),
    'X-RateLimit-Period': String(limits.periodSeconds),
    'X-RateLimit-Remaining': String(limits.remaining),
    'X-RateLimit-Reset': String(limits.resetSeconds),
    'X-RateLimit-Name': limits.name,
  };
}
