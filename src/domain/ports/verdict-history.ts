import type { Verdict } from '../judge/judge.ts';
import type { ServiceVerdict } from '../judge/judge-service.ts';
import type { Outcome, Reason } from '../judge/outcome.ts';
import type { JudgedCuj, VerdictRecord } from '../judge/verdict-record.ts';
import type { SliName } from '../sli/table.ts';

/** What was asked about: equal for all questions about the same release. */
export interface AskedAbout {
  readonly kind: 'cuj' | 'service';
  /** Of the CUJ or of the service. */
  readonly name: string;
  /** The parameters of the selectors, such as `version`. */
  readonly params: Readonly<Record<string, string>>;
  /** The one service of the CUJ that was asked about, where the question named one. */
  readonly service?: string;
  /** The environment of the registry; absent where it has none. */
  readonly environment?: string;
}

/** A verdict as it was given. */
export interface GivenEntry {
  /** Epoch ms. */
  readonly atMs: number;
  readonly about: AskedAbout;
  /** As the caller gave them. */
  readonly window?: string;
  readonly since?: string;
  /** Undefined where the gate does not know its callers. */
  readonly caller: string | undefined;
  readonly verdict: Verdict | ServiceVerdict;
  /** What was judged: one for a CUJ, one for each CUJ of a service. Empty where the gate declined without judging. */
  readonly judged: readonly JudgedCuj[];
  /** The page of the answer that was given last at or before a moment, epoch ms. Absent or undefined: there is no address for people. */
  readonly linkAt?: ((atMs: number) => string | undefined) | undefined;
}

/** An SLI of a verdict, as far as a chart over time needs it. */
export interface GivenSli {
  readonly cuj: string;
  readonly sli: SliName;
  readonly verdict: Outcome;
  readonly evidence: number;
  readonly evidenceThreshold: number;
  readonly rulesOutRate: number;
  readonly total: number;
  readonly bad: number;
}

/** An answer that was given. Answers about the same data with the same outcome are one look. */
export interface GivenLook {
  /** When it was given first, epoch ms. */
  readonly atMs: number;
  /** When it was given last, epoch ms. */
  readonly lastAtMs: number;
  /** How often it was given. */
  readonly times: number;
  readonly verdict: Outcome;
  readonly reason: Reason;
  /** The end of the data that was asked for, epoch ms; absent where nothing was measured. */
  readonly dataUntilMs?: number;
  /** All SLIs that were judged, up to {@link maxSlisOfLook}. */
  readonly slis: readonly GivenSli[];
}

/** Of a service with more SLIs, the worst. */
export const maxSlisOfLook = 40;

/** A release that was asked about within the last {@link inProgressMs}. */
export interface ReleaseInProgress {
  readonly about: AskedAbout;
  /** The services that were judged. */
  readonly services: readonly string[];
  /** The selectors as text. */
  readonly canary: string;
  readonly stable: string;
  readonly firstAskedMs: number;
  readonly lastAskedMs: number;
  /** How often it was asked about, by all callers. */
  readonly asked: number;
  readonly latest: {
    readonly verdict: Outcome;
    readonly reason: Reason;
    readonly summary: string;
    /** The canary's share of the services' requests in the window, 0 to 1. Absent where none was measured. */
    readonly canaryShare?: number;
    /** RFC 3339: the begin of the window; absent where nothing was measured. */
    readonly windowFrom?: string;
  };
}

export const inProgressMs = 10 * 60_000;

/** What is known of a verdict that was kept, without its data. */
export interface GivenChange {
  /** Names this entry in its store. */
  readonly id: string;
  /** Epoch ms. */
  readonly atMs: number;
  readonly about: AskedAbout;
  readonly window?: string;
  readonly since?: string;
  readonly caller?: string;
  readonly verdict: Outcome;
  readonly reason: Reason;
  readonly summary: string;
  readonly canary: string;
  readonly stable: string;
  /** Digest of the registry that the verdict is based on. */
  readonly registry: string;
}

/** A kept verdict with all that it was made of. */
export interface GivenRecord extends GivenChange {
  /** The answer's JSON as it was given. */
  readonly given: Verdict | ServiceVerdict;
  /** In the format of `evaluate --record`. Absent where nothing was measured. */
  readonly record?: VerdictRecord;
}

/** What was found, or why nothing can be said. `unavailable` is a sentence without its full stop, for people. */
export type Reading<T> =
  | { readonly available: true; readonly value: T }
  | { readonly available: false; readonly unavailable: string };

/** Which changes to list. */
export interface ChangesQuery {
  /** Only those about this CUJ. */
  readonly cuj?: string;
  /** Only those about this service. */
  readonly service?: string;
  /** Only those about this environment. */
  readonly environment?: string;
  /** Epoch ms, inclusive. */
  readonly fromMs: number;
  /** Epoch ms, inclusive. */
  readonly toMs: number;
  /** At most {@link maxChanges}. */
  readonly max: number;
}

export const maxChanges = 200;

export interface Changes {
  /** Newest first. */
  readonly changes: readonly GivenChange[];
  /** Whether there may be older ones in the span. */
  readonly more: boolean;
}

/** How far before a moment {@link VerdictHistory.givenAt} looks. A verdict that does not change is kept again more often than that. */
export const givenWithinMs = 60 * 60_000;

/**
 * Verdicts as they were given. Reads are bounded in time and size and never throw: a store that is slow or broken is
 * `unavailable`.
 */
export interface VerdictHistory {
  /** Whether changes are kept at all; otherwise `changes` and `givenAt` are unavailable. */
  readonly keepsChanges: boolean;
  /** Notes a verdict. Never throws and never waits. */
  given(entry: GivenEntry): void;
  /** Releases that were asked about within the last {@link inProgressMs}, by any replica where they share a store. Worst first. */
  inProgress(): Promise<Reading<readonly ReleaseInProgress[]>>;
  /** The answers about a release, oldest first. */
  looksOf(about: AskedAbout): Promise<Reading<readonly GivenLook[]>>;
  /** The verdict that was given last at or before a moment, with its record; `value` is undefined where none was kept. */
  givenAt(about: AskedAbout, atMs: number): Promise<Reading<GivenRecord | undefined>>;
  /** Changes of verdicts: a first one, or another outcome or reason than before. */
  changes(query: ChangesQuery): Promise<Reading<Changes>>;
  /** Writes what is waiting, within a bounded time. */
  close(): Promise<void>;
}
