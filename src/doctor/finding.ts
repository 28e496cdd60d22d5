export type Severity = 'error' | 'warning' | 'info';
export const severities: readonly Severity[] = ['error', 'warning', 'info'];

export interface DoctorFinding {
  readonly severity: Severity;
  /** A stable, kebab-case name of the check. */
  readonly check: string;
  /** What it is about: `service member-api`, `cuj login`. */
  readonly about: string;
  readonly message: string;
  /** What it means for a verdict. */
  readonly verdict: string;
  readonly fix: string;
}

/** Sorted by severity; the order within one stays. */
export function worstFirst(findings: readonly DoctorFinding[]): DoctorFinding[] {
  return [...findings].sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
}
