/** `error` fails the action. `notice` says what a change does, and asks for nothing. */
export type FindingSeverity = 'error' | 'warning' | 'notice';

/** What a check says about a change, for people. Texts may hold whatever the author of the change wrote. */
export interface PullRequestFinding {
  readonly severity: FindingSeverity;
  /** Relative to the repository; absent where it is about none of its files. */
  readonly file?: string;
  /** 1-based; absent where the file as a whole is meant. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  /** Kebab-case and stable. */
  readonly rule: string;
  readonly message: string;
  /** What follows from it. */
  readonly meaning?: string;
  readonly fix: string;
}

const ranks: Readonly<Record<FindingSeverity, number>> = { error: 0, warning: 1, notice: 2 };

/** The errors first, then the warnings. Each group keeps its order; what is there twice is there once. */
export function sortedFindings(findings: readonly PullRequestFinding[]): readonly PullRequestFinding[] {
  const seen = new Map(findings.map((finding) => [JSON.stringify(finding), finding]));
  return [...seen.values()].sort((a, b) => ranks[a.severity] - ranks[b.severity]);
}

export function countOf(findings: readonly PullRequestFinding[], severity: FindingSeverity): number {
  return findings.filter((finding) => finding.severity === severity).length;
}
