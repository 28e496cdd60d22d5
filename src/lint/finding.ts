import type { Place } from './yaml-node.ts';

/** `error`: the analysis is useless. `warning`: it is weaker than it seems. */
export type Severity = 'error' | 'warning';

/** A mistake that makes an analysis useless or weaker. */
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

/** The result of one check; a report adds the position. */
export type Report = (
  severity: Severity,
  rule: string,
  at: Place,
  message: string,
  meaning: string,
  fix: string,
) => void;

/** A file of manifests. */
export interface LintInput {
  readonly file: string;
  readonly text: string;
}
