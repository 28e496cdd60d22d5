import type { Outcome, Reason } from '../judge/outcome.ts';
import type { AskedAbout } from './verdict-history.ts';

/** A change of a release's verdict, or its final verdict, as it is told to a monitoring system. */
export interface VerdictEvent {
  /** The same for all events about a release, in all replicas. */
  readonly release: string;
  readonly about: AskedAbout;
  /** When the verdict was given, epoch ms. */
  readonly atMs: number;
  readonly verdict: Outcome;
  /** What was told about the release before; undefined: nothing. */
  readonly previous: Outcome | undefined;
  /** A fail, or the last verdict of a release that nobody asks about any more. */
  readonly isFinal: boolean;
  /** Of a report-only CUJ, verdict and reason are those that it would have. */
  readonly mode: 'enforce' | 'observe';
  readonly reason: Reason;
  readonly summary: string;
  readonly hint: string;
  /** The selector as text. */
  readonly canary: string;
  readonly services: readonly string[];
  /** The environments of the services, each once. */
  readonly envs: readonly string[];
  /** The CUJs that have this verdict, worst first. */
  readonly cujs: readonly string[];
  /** Their owners, each once. */
  readonly owners: readonly string[];
  readonly runbook: string | undefined;
  /** The page of the verdict; undefined: the gate's address for browsers is not known. */
  readonly link: string | undefined;
}

/** Where events go. */
export interface EventSink {
  /** Resolves once the event was accepted. Throws SourceError, or the signal's reason when it aborts. */
  send(event: VerdictEvent, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Told every verdict that is given. */
export interface VerdictObserver<Entry> {
  /** Never waits. `release` is equal for all questions about the same release. */
  noted(release: string, entry: Entry): void;
}
