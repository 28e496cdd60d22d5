import type { Cuj, Registry } from '../domain/registry/model.ts';
import { helpFor } from './help.ts';
import { notesOf } from './notes.ts';
import { cleanCanary, maxMinutes, minRequestsOfPass, minutesToPass } from './projection.ts';
import { measuredTraffic, type SliOfService, slisOfServices } from './subjects.ts';
import type {
  HourlyTraffic,
  Judgeable,
  Measured,
  PlanEntry,
  TrafficPlan,
  WeightForecast,
  WeightPlan,
} from './traffic-plan.ts';

/**
 * Which CUJs a canary can be judged by at some weights (percent), and how long that takes. `waitMinutes` is how long the inline
 * analysis step waits for the first of its passes, from the switch to the weight on. Pure.
 */
export function planTraffic(
  registry: Registry,
  traffic: HourlyTraffic,
  weights: readonly number[],
  waitMinutes: number,
): TrafficPlan {
  const sorted = [...new Set(weights)].sort((a, b) => a - b);
  const known: Measured[] = [];
  const missing: PlanEntry[] = [];
  for (const of of slisOfServices(registry)) {
    const counts = traffic.services.get(of.service.name);
    if (counts === undefined) missing.push(unknownEntry(of, sorted));
    else known.push(measuredTraffic(of, counts, traffic));
  }
  const entries = [...known.map((one) => entryOf(one, known, sorted, waitMinutes)), ...missing];
  const enforced = entries.filter(({ mode }) => mode === 'enforce');
  const namesOf = (chosen: readonly PlanEntry[]) => [...new Set(chosen.map(({ cuj }) => cuj))];
  const notJudgeable = namesOf(
    enforced.filter(({ weights: all }) =>
      all.every(({ judgeable }) => judgeable === 'never' || judgeable === 'unknown'),
    ),
  );
  return {
    registryDigest: registry.digest,
    from: new Date(traffic.fromMs).toISOString(),
    to: new Date(traffic.toMs).toISOString(),
    days: Math.round((traffic.toMs - traffic.fromMs) / 86_400_000),
    waitMinutes,
    entries,
    notJudgeable,
    late: namesOf(enforced.filter(({ weights: all }) => !all.some(({ median }) => median.inTime))).filter(
      (name) => !notJudgeable.includes(name),
    ),
  };
}

function entryOf(
  one: Measured,
  all: readonly Measured[],
  weights: readonly number[],
  waitMinutes: number,
): PlanEntry {
  const { cuj, levels, need } = one;
  const requests = minRequestsOfPass(need);
  const plans = weights.map((weight) => weightPlan(one, weight, waitMinutes));
  const largest = plans.at(-1) as WeightPlan;
  const windowMinutes = maxMinutes(cuj);
  const minAt = (level: number): number | null => {
    if (requests === null || level <= 0) return null;
    const percent = Math.max(1, Math.ceil((requests / (level * windowMinutes)) * 100 - 1e-9));
    return percent > 100 ? null : percent;
  };
  return {
    ...headOf(one),
    value: one.value,
    requestsPerMinute: levels,
    cleanRequests: need.proven,
    limitedRequests: need.limited?.requests ?? null,
    minWeight: { median: minAt(levels.median), quietest: minAt(levels.quietest) },
    weights: plans,
    help: helpFor(one, all, largest, waitMinutes),
    notes: notesOf(one),
  };
}

function headOf({ cuj, service, sli }: SliOfService) {
  return {
    cuj: cuj.name,
    service: service.name,
    owner: cuj.owner,
    tier: cuj.tier,
    mode: cuj.mode,
    sli,
    rule: cuj.gate.rule,
    objective: cuj.objectives[sli]?.percent as number,
    windowMinutes: maxMinutes(cuj),
    lagMinutes: cuj.gate.lagMs / 60_000,
  };
}

function weightPlan(one: Measured, weight: number, waitMinutes: number): WeightPlan {
  const median = forecast(one, one.levels.median, weight, waitMinutes);
  const quietest = forecast(one, one.levels.quietest, weight, waitMinutes);
  return { weight, judgeable: judgeableOf(one.cuj, median, quietest), median, quietest };
}

function judgeableOf(cuj: Cuj, median: WeightForecast, quietest: WeightForecast): Judgeable {
  if (median.fits) return quietest.fits ? 'always' : 'by_day';
  // Not even onLowTraffic passes a canary without a single request.
  return cuj.gate.onLowTraffic === 'pass' && median.requests > 0 ? 'unproven' : 'never';
}

function forecast(one: Measured, level: number, weight: number, waitMinutes: number): WeightForecast {
  const perMinute = (level * weight) / 100;
  const { gate, mode } = one.cuj;
  const windowMinutes = maxMinutes(one.cuj);
  const minutes = minutesToPass(one.need, perMinute);
  const fits = minutes <= windowMinutes;
  const waitsForNothing = mode === 'observe' || (gate.onLowTraffic === 'pass' && perMinute > 0);
  const withLag = minutes + gate.lagMs / 60_000;
  const judged = cleanCanary(one, level, weight / 100, Math.min(minutes, windowMinutes));
  const { failAtBadEvents, total, objective, rulesOutRate } = judged;
  const rate = failAtBadEvents === null ? null : failAtBadEvents / total;
  return {
    minutes: Number.isFinite(minutes) ? Math.ceil(withLag) : null,
    fits,
    inTime: (fits && withLag <= waitMinutes) || waitsForNothing,
    rulesOutRate,
    requests: total,
    failAtBadEvents,
    caughtRate: rate,
    caughtBurn: rate === null ? null : rate / (1 - objective),
  };
}

function unknownEntry(of: SliOfService, weights: readonly number[]): PlanEntry {
  const nothing: WeightForecast = {
    minutes: null,
    fits: false,
    inTime: false,
    rulesOutRate: 1,
    requests: 0,
    failAtBadEvents: null,
    caughtRate: null,
    caughtBurn: null,
  };
  return {
    ...headOf(of),
    value: null,
    requestsPerMinute: { median: 0, quietest: 0, quietestHour: 0 },
    cleanRequests: null,
    limitedRequests: null,
    minWeight: { median: null, quietest: null },
    weights: weights.map((weight) => ({ weight, judgeable: 'unknown', median: nothing, quietest: nothing })),
    help: [],
    notes: ['Its traffic is unknown: the query failed, see stderr.'],
  };
}
