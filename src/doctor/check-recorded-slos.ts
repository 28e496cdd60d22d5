import { slisOf } from '../domain/judge/judge.ts';
import { listed } from '../domain/name-lists.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { Registry } from '../domain/registry/model.ts';
import { whyNotRecorded } from '../sources/prometheus/query/recorded-series.ts';
import type { DoctorFinding } from './finding.ts';

/** Whether the rules that record error budgets are loaded, and are those of this registry. */
export function checkRecordedSlos(
  registry: Registry,
  { recordedSlos, counters }: BackendFacts,
): DoctorFinding[] {
  if (recordedSlos === undefined) return [];
  const missing: string[] = [];
  const findings: DoctorFinding[] = [];
  for (const cuj of registry.cujs.values()) {
    if (!cuj.services.every((name) => counters?.has(name))) continue;
    for (const sli of slisOf(cuj)) {
      if (whyNotRecorded(registry, cuj, sli) !== undefined) continue;
      const recorded = recordedSlos.get(`${cuj.name} ${sli} ${cuj.sloWindow}`);
      const percent = cuj.objectives[sli]?.percent;
      if (recorded === undefined) missing.push(`${cuj.name} ${sli}`);
      else if (recorded !== percent) {
        findings.push({
          severity: 'warning',
          check: 'slo-objective',
          about: `cuj ${cuj.name}`,
          message: `the recorded ${sli} objective is ${recorded}%, and the registry's is ${percent}%`,
          verdict:
            'The gate judges by the registry; the error budget and its alerts are of the other objective.',
          fix: 'Generate prometheus-slos again, and load the rules.',
        });
      }
    }
  }
  if (missing.length > 0) {
    findings.push({
      severity: 'info',
      check: 'slo-missing',
      about: 'error budgets',
      message: `no error budget is recorded of ${listed(missing)}`,
      verdict:
        'None for most verdicts. An errorBudgetPolicy with gate: does nothing while the budget is unknown.',
      fix: 'Load the rules of cuj-gate generate prometheus-slos.',
    });
  }
  return findings;
}
