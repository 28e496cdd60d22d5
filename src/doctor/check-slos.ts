import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, SloFacts } from '../domain/ports/backend-facts.ts';
import type { Cuj, Registry } from '../domain/registry/model.ts';
import { type SliName, sliNames } from '../domain/sli/table.ts';
import { sloEvents, sloOf } from '../sources/datadog/query/slo-queries.ts';
import type { DoctorFinding } from './finding.ts';
import { type CountedEvents, countedEvents } from './metric-query.ts';

/**
 * SLOs in Datadog that are missing, or whose objective or queries differ from the registry's. `misnamed`: the CUJs of which a name
 * in the registry is most likely wrong, so that it may be the SLO that is right.
 */
export function checkSlos(
  registry: Registry,
  { slos }: BackendFacts,
  misnamed: ReadonlySet<Cuj>,
): DoctorFinding[] {
  if (slos === undefined) return [];
  const findings: DoctorFinding[] = [];
  const without: string[] = [];
  const meant = new Set<string>();
  for (const cuj of registry.cujs.values()) {
    for (const sli of sliNames) {
      if (cuj.objectives[sli] === undefined) continue;
      const slo = sloOf(slos, cuj, sli);
      if (slo !== undefined) {
        meant.add(slo.id);
        findings.push(...differences(registry, cuj, sli, slo, misnamed.has(cuj)));
      } else if (cuj.sloIds[sli] !== undefined) {
        findings.push({
          severity: 'warning',
          check: 'slo-missing',
          about: `cuj ${cuj.name}: ${sli} SLO`,
          message: `Datadog has no SLO with the id ${cuj.sloIds[sli]}`,
          verdict: withoutBudget(cuj),
          fix: 'Correct sloId, or remove it and let generate terraform make the SLO.',
        });
      } else without.push(`${cuj.name} ${sli}`);
    }
  }
  if (without.length > 0) {
    findings.push({
      severity: 'info',
      check: 'slo-missing',
      about: 'the SLOs',
      message: `no SLO in Datadog for ${listed(without)}`,
      verdict: 'None for verdicts. Error budgets are unknown, so no errorBudgetPolicy applies.',
      fix: 'cuj-gate generate terraform makes them; SLOs that exist are named by sloId.',
    });
  }
  const orphans = slos.filter(({ id }) => !meant.has(id)).map(({ name }) => name);
  if (orphans.length > 0) {
    findings.push({
      severity: 'info',
      check: 'slo-of-no-cuj',
      about: 'the SLOs',
      message: `SLOs in Datadog that no CUJ of this registry has: ${listed(orphans)}`,
      verdict: 'None.',
      fix: 'Remove them, unless another registry uses them. A renamed CUJ loses its history.',
    });
  }
  return findings;
}

function withoutBudget(cuj: Cuj): string {
  return cuj.errorBudgetPolicy.some(({ gate }) => gate !== undefined)
    ? 'The error budget is unknown, so the gate: of its errorBudgetPolicy does nothing.'
    : 'None. cuj-gate report shows the error budget as unknown.';
}

function differences(
  registry: Registry,
  cuj: Cuj,
  sli: SliName,
  slo: SloFacts,
  isMisnamed: boolean,
): DoctorFinding[] {
  const about = `cuj ${cuj.name}: ${sli} SLO`;
  const findings: DoctorFinding[] = [];
  const differ = (check: string, message: string) =>
    findings.push({
      severity: 'warning',
      check,
      about,
      message,
      verdict:
        'The gate judges by the registry; the error budget and errorBudgetPolicy use the SLO in Datadog.',
      fix:
        isMisnamed && check === 'slo-queries'
          ? 'Correct the names in the registry first, as the other findings about this CUJ say. If the SLO still differs, apply what cuj-gate generate terraform writes.'
          : 'Apply what cuj-gate generate terraform writes, or correct the registry.',
    });
  if (slo.type !== 'metric') differ('slo-type', `"${slo.name}" is a ${slo.type} SLO, not a metric SLO`);
  const target = slo.targets.get(cuj.sloWindow);
  const wanted = cuj.objectives[sli]?.percent as number;
  if (target === undefined) {
    const has = [...slo.targets.keys()].join(', ') || 'none';
    differ('slo-window', `"${slo.name}" has no target over ${cuj.sloWindow} (it has: ${has})`);
  } else if (Math.abs(target - wanted) > 1e-9) {
    differ('slo-objective', `the registry says ${wanted}% over ${cuj.sloWindow}, "${slo.name}" ${target}%`);
  }
  if (slo.type === 'metric') {
    for (const message of countDifferences(registry, cuj, sli, slo)) differ('slo-queries', message);
  }
  return findings;
}

/** What only the SLO's queries count, and what only the gate's count. The form of the queries does not matter. */
function countDifferences(registry: Registry, cuj: Cuj, sli: SliName, slo: SloFacts): string[] {
  const wanted = sloEvents(registry, cuj, sli)?.queries.flatMap(({ query }) => countedEvents(query)) ?? [];
  const found = slo.queries.flatMap(countedEvents);
  if (wanted.length === 0 || found.length === 0) return [];
  const messages: string[] = [];
  const compare = (what: string, ours: ReadonlySet<string>, theirs: ReadonlySet<string>) => {
    const missing = [...ours].filter((one) => !theirs.has(one));
    const extra = [...theirs].filter((one) => !ours.has(one));
    if (missing.length > 0) messages.push(`"${slo.name}" does not count ${what} ${listed(missing)}`);
    if (extra.length > 0)
      messages.push(`"${slo.name}" counts ${what} ${listed(extra)}, the registry does not`);
  };
  const metrics = (events: readonly CountedEvents[]) => new Set(events.map(({ metric }) => metric));
  compare('the metric', metrics(wanted), metrics(found));
  const keys = new Set([...wanted, ...found].flatMap(({ conditions }) => [...conditions.keys()]));
  for (const key of keys) {
    const values = (events: readonly CountedEvents[]) =>
      new Set(events.flatMap(({ conditions }) => [...(conditions.get(key) ?? [])]));
    compare(key === 'resource_name' ? 'the endpoint' : `${key}:`, values(wanted), values(found));
  }
  return messages;
}
