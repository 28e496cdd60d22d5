import type { Place } from './yaml-node.ts';

/** `error`: the analysis cannot do what it is there for. `warning`: it can, but less than it seems. */
export type Severity = 'error' | 'warning';

/** One thing that makes an analysis useless, or nearly. */
export interface LintFinding {
  readonly severity: Severity;
  /** Kebab-case and stable. */
  readonly rule: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
  /** What was found. */
  readonly message: string;
  /** What follows from it. */
  readonly meaning: string;
  readonly fix: string;
}

/** What one check says; a report adds where. */
export type Report = (
  severity: Severity,
  rule: string,
  at: Place,
  message: string,
  meaning: string,
  fix: string,
) => void;
