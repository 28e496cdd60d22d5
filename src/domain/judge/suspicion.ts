import type { EndpointMeasurement, Measurement } from '../metrics/metrics-source.ts';
import type { Cuj } from '../registry/model.ts';
import { sliNames } from '../sli/table.ts';
import { logEvidence } from '../statistics/e-process.ts';
import { rounding } from './abort-threshold.ts';
import { sum } from './allowed-rate.ts';

/** A fault that could become a fail soon shows in these. */
const newestMinutes = 3;

/**
 * Whether the canary's newest bad events could become a fail, so that newer data is worth a call of the source: some endpoint, or all
 * of an SLI, has more of them in the newest minutes than its error budget explains, and than stable has. Pure.
 */
export function isSuspicious(cuj: Cuj, measurement: Measurement): boolean {
  return sliNames.some((sli) => {
    const objective = cuj.objectives[sli];
    const endpoints = measurement[sli] ?? [];
    if (objective === undefined || !endpoints.some(hasNewBad)) return false;
    const all = endpoints.map(newestOf);
    const pooled = all.reduce((a, b) => ({
      total: a.total + b.total,
      bad: a.bad + b.bad,
      stableRate: Math.min(a.stableRate, b.stableRate),
    }));
    return [...all, pooled].some(
      ({ total, bad, stableRate }) =>
        bad > rounding && logEvidence(total, bad, Math.max(objective.budget, stableRate)) > 0,
    );
  });
}

function firstOf({ canary }: EndpointMeasurement): number {
  return Math.max(0, canary.bad.length - newestMinutes);
}

function hasNewBad(endpoint: EndpointMeasurement): boolean {
  return endpoint.canary.bad.subarray(firstOf(endpoint)).some((bad) => bad > rounding);
}

/** The canary's weighed counts of the newest minutes, and stable's rate over all that was queried. */
function newestOf(endpoint: EndpointMeasurement) {
  const { canary, stable, sampleRate, dispersion } = endpoint;
  const { total, bad } = sum(canary.total, canary.bad, firstOf(endpoint), canary.total.length);
  const other = sum(stable.total, stable.bad, 0, stable.total.length);
  const scale = sampleRate / dispersion;
  return {
    total: total * scale,
    bad: Math.min(bad, total) * scale,
    stableRate: other.total > 0 ? Math.min(1, other.bad / other.total) : 0,
  };
}
