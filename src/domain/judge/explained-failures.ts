import { upperBound } from '../statistics/clopper-pearson.ts';
import { logEvidenceAtRates, logMixture } from '../statistics/e-process.ts';
import { minStableShare } from './analysis-window.ts';
import { hasEvidenceToFail } from './rules/rule.ts';
import { rules } from './rules/table.ts';
import { type ServiceIncident, spanCounts } from './service-incident.ts';
import { canaryWithout } from './shared-incident.ts';
import { type SliSums, sumSli } from './sli-counts.ts';
import { evidenceIn, type SliQuestion } from './sli-evidence.ts';

/** While an incident is evident, only evidence of 1/alpha² tells a canary apart that also fails by itself: the abort can wait. */
const doubtInIncident = 2;

/** An incident of the services that explains what the canary failed. */
export interface ExplainingIncident {
  /** Minutes of the window, by index. */
  readonly minutes: ReadonlySet<number>;
  /** Stable's counts in them over all endpoints of the services, as the source gave them. */
  readonly total: number;
  readonly bad: number;
}

/** The incident of the services that explains what the canary failed, worked out when it is first asked for. */
export type Explaining = () => ExplainingIncident | undefined;

/**
 * The incident of the services in the window, where it explains the canary's failures: the share test does not single the canary out,
 * stable is concurrent, there is not enough evidence to fail in the other minutes, and in those of the incident the canary does not
 * fail more than stable of the services does.
 */
export function explainingIncidentOf(question: SliQuestion): Explaining {
  let found: { readonly incident: ExplainingIncident | undefined } | undefined;
  return () => {
    found ??= { incident: explainingIncident(question) };
    return found.incident;
  };
}

function explainingIncident(question: SliQuestion): ExplainingIncident | undefined {
  const { incident, window, policy, objective, endpoints, recent } = question;
  if (incident === undefined) return undefined;
  const minutes = new Set([...incident.minutes].filter((i) => i >= window.first && i < window.end));
  if (minutes.size === 0 || !isConcurrent(minutes, window.hits)) return undefined;
  const rule = rules[policy.rule];
  const sums = sumSli(endpoints, window, objective);
  const { logShare, logOne } = evidenceIn(sums, question, rule.comparesStable);
  const logFar = doubtInIncident * logOne;
  if (logShare >= logFar) return undefined;
  const others = endpoints.map((endpoint) => canaryWithout(endpoint, minutes, recent));
  const outside = evidenceIn(sumSli(others, window, objective), question, rule.comparesStable);
  if (hasEvidenceToFail(rule, outside, policy)) return undefined;
  const rates = new Map([...minutes].map((i) => [i, rateIn(incident.stable, i)]));
  if (logEvidenceInside(sums, rates, objective.budget) >= logFar) return undefined;
  return { minutes, ...countedIn(incident.stable, minutes) };
}

function isConcurrent(minutes: ReadonlySet<number>, hits: SliQuestion['window']['hits']): boolean {
  let canary = 0;
  let stable = 0;
  for (const i of minutes) {
    canary += hits.canary[i] ?? 0;
    stable += hits.stable[i] ?? 0;
  }
  return stable > minStableShare * canary;
}

/** The highest rate at which stable of the services may have failed in a minute. */
function rateIn(stable: ServiceIncident['stable'], minute: number): number {
  const { total, bad } = spanCounts(stable, minute, minute + 1);
  return upperBound(total, bad);
}

/**
 * Natural log of the evidence that the canary fails at a higher rate than stable of the services in some minutes, over all endpoints and
 * over each by itself. Each minute has a rate of its own: where the weight changes, sums over minutes would mislead.
 */
function logEvidenceInside(
  { endpoints }: SliSums,
  rates: ReadonlyMap<number, number>,
  budget: number,
): number {
  const all = [...rates].map(([, rate]) => ({ total: 0, bad: 0, rate: Math.max(rate, budget) }));
  const alone = endpoints.map(({ measured: { canary }, scale, allowedRate }) => {
    const own = [...rates].map(([i, rate]) => {
      const total = canary.total[i] ?? 0;
      // Late data can bring an error a moment before its request.
      const bad = Math.min(total, canary.bad[i] ?? 0);
      return { total: total * scale, bad: bad * scale, rate: Math.max(rate, allowedRate) };
    });
    for (const [at, { total, bad }] of own.entries()) {
      const sum = all[at] as { total: number; bad: number };
      sum.total += total;
      sum.bad += bad;
    }
    return logEvidenceAtRates(own);
  });
  return logMixture(logEvidenceAtRates(all), alone);
}

function countedIn(
  stable: ServiceIncident['stable'],
  minutes: ReadonlySet<number>,
): { total: number; bad: number } {
  const counts = { total: 0, bad: 0 };
  for (const { total, bad } of stable) {
    for (const i of minutes) {
      counts.total += total[i] ?? 0;
      for (const one of bad) counts.bad += one[i] ?? 0;
    }
  }
  return counts;
}
