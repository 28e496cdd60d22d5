import { slisOf } from '../domain/judge/judge.ts';
import type { SideCounts } from '../domain/metrics/metrics-source.ts';
import type { Cuj, Registry, Service } from '../domain/registry/model.ts';
import { countsEndpoint } from '../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../domain/sli/table.ts';
import { helpFor } from './help.ts';
import { levelsOf } from './levels.ts';
import { notesOf } from './notes.ts';
import {
  cleanCanary,
  type EndpointMix,
  maxMinutes,
  minRequestsOfPass,
  minutesToPass,
  passNeed,
} from './projection.ts';
import type {
  HourlyTraffic,
  Judgeable,
  Measured,
  PlanEntry,
  TrafficPlan,
  WeightForecast,
  WeightPlan,
} from './traffic-plan.ts';

/** Which CUJs a canary can be judged by at some weights (percent), and how long that takes. Pure. */
export function planTraffic(
  registry: Registry,
  traffic: HourlyTraffic,
  weights: readonly number[],
): TrafficPlan {
  const sorted = [...new Set(weights)].sort((a, b) => a - b);
  const known: Measured[] = [];
  const missing: PlanEntry[] = [];
  for (const cuj of registry.cujs.values()) {
    for (const name of cuj.services) {
      const service = registry.services.get(name) as Service;
      const counts = traffic.services.get(name);
      for (const sli of slisOf(cuj, name)) {
        if (counts === undefined) missing.push(unknownEntry(cuj, service, sli, sorted));
        else known.push(measure(cuj, service, sli, counts, traffic));
      }
    }
  }
  const entries = [...known.map((one) => entryOf(one, known, sorted)), ...missing];
  const lost = entries.filter(
    ({ mode, weights: all }) =>
      mode === 'enforce' && all.every(({ judgeable }) => judgeable === 'never' || judgeable === 'unknown'),
  );
  return {
    registryDigest: registry.digest,
    from: new Date(traffic.fromMs).toISOString(),
    to: new Date(traffic.toMs).toISOString(),
    days: Math.round((traffic.toMs - traffic.fromMs) / 86_400_000),
    entries,
    notJudgeable: [...new Set(lost.map(({ cuj }) => cuj))],
  };
}

function sum(values: ArrayLike<number> | undefined): number {
  let total = 0;
  for (let i = 0; i < (values?.length ?? 0); i += 1) total += values?.[i] ?? 0;
  return total;
}

function measure(
  cuj: Cuj,
  service: Service,
  sli: SliName,
  counts: SideCounts,
  { fromMs, toMs }: HourlyTraffic,
): Measured {
  const hours = new Float64Array(Math.round((toMs - fromMs) / 3_600_000));
  const endpoints = cuj.endpoints.filter(
    (endpoint) => endpoint.service === service.name && countsEndpoint(sliKinds[sli], endpoint),
  );
  const sums = endpoints.map((endpoint) => {
    const series = sliKinds[sli].seriesOf(counts, endpoint);
    for (let i = 0; i < hours.length; i += 1) hours[i] = (hours[i] as number) + (series?.total[i] ?? 0);
    return { endpoint, total: sum(series?.total), bad: sum(series?.bad) };
  });
  const total = sums.reduce((all, one) => all + one.total, 0);
  const bad = sums.reduce((all, one) => all + one.bad, 0);
  const mix = sums.map(
    ({ endpoint, total: own, bad: ownBad }): EndpointMix => ({
      resource: endpoint.resource,
      label: endpoint.label,
      latencyMs: sliKinds[sli].needsThreshold ? endpoint.latencyMs : undefined,
      // Without requests the mix is unknown, and does not matter.
      share: total > 0 ? own / total : 1 / sums.length,
      badRate: own > 0 ? Math.min(1, ownBad / own) : 0,
    }),
  );
  const levels = levelsOf(hours, fromMs);
  const subject = { cuj, service, sli, mix };
  return {
    ...subject,
    hours,
    fromMs,
    levels,
    value: total > 0 ? (total - bad) / total : null,
    need: passNeed(subject, levels.median),
  };
}

function entryOf(one: Measured, all: readonly Measured[], weights: readonly number[]): PlanEntry {
  const { cuj, levels, need } = one;
  const requests = minRequestsOfPass(need);
  const plans = weights.map((weight) => weightPlan(one, weight));
  const largest = plans.at(-1) as WeightPlan;
  const windowMinutes = maxMinutes(cuj);
  const minAt = (level: number): number | null => {
    if (requests === null || level <= 0) return null;
    const percent = Math.max(1, Math.ceil((requests / (level * windowMinutes)) * 100 - 1e-9));
    return percent > 100 ? null : percent;
  };
  return {
    ...headOf(cuj, one.service, one.sli),
    value: one.value,
    requestsPerMinute: levels,
    cleanRequests: need.proven,
    limitedRequests: need.limited?.requests ?? null,
    minWeight: { median: minAt(levels.median), quietest: minAt(levels.quietest) },
    weights: plans,
    help: helpFor(one, all, largest),
    notes: notesOf(one),
  };
}

function headOf(cuj: Cuj, service: Service, sli: SliName) {
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

function weightPlan(one: Measured, weight: number): WeightPlan {
  const median = forecast(one, one.levels.median, weight);
  const quietest = forecast(one, one.levels.quietest, weight);
  return { weight, judgeable: judgeableOf(one.cuj, median, quietest), median, quietest };
}

function judgeableOf(cuj: Cuj, median: WeightForecast, quietest: WeightForecast): Judgeable {
  if (median.fits) return quietest.fits ? 'always' : 'by_day';
  // Not even onLowTraffic passes a canary without a single request.
  return cuj.gate.onLowTraffic === 'pass' && median.requests > 0 ? 'unproven' : 'never';
}

function forecast(one: Measured, level: number, weight: number): WeightForecast {
  const perMinute = (level * weight) / 100;
  const windowMinutes = maxMinutes(one.cuj);
  const minutes = minutesToPass(one.need, perMinute);
  const fits = minutes <= windowMinutes;
  const judged = cleanCanary(one, level, weight / 100, Math.min(minutes, windowMinutes));
  const { failAtBadEvents, total, objective, rulesOutRate } = judged;
  const rate = failAtBadEvents === null ? null : failAtBadEvents / total;
  return {
    minutes: Number.isFinite(minutes) ? Math.ceil(minutes + one.cuj.gate.lagMs / 60_000) : null,
    fits,
    rulesOutRate,
    requests: total,
    failAtBadEvents,
    caughtRate: rate,
    caughtBurn: rate === null ? null : rate / (1 - objective),
  };
}

function unknownEntry(cuj: Cuj, service: Service, sli: SliName, weights: readonly number[]): PlanEntry {
  const nothing: WeightForecast = {
    minutes: null,
    fits: false,
    rulesOutRate: 1,
    requests: 0,
    failAtBadEvents: null,
    caughtRate: null,
    caughtBurn: null,
  };
  return {
    ...headOf(cuj, service, sli),
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
