import type { Cuj, ErrorBudgetAction, Registry } from '../domain/registry/model.ts';
import { seededRandom } from './datadog/random.ts';

/**
 * Failures of stable in the weeks before the demo, which have used up error budget: one CUJ has overspent its budget, one
 * has little left, the others are fine. No budget is so low that it changes a rule, so no verdict depends on them.
 */

/** Failures of one endpoint, in whole hours. */
export interface Incident {
  readonly service: string;
  /** As the registry stores it. */
  readonly resource: string;
  /** Epoch ms. */
  readonly from: number;
  /** Epoch ms. */
  readonly to: number;
  /** Probability of a failure, 0 to 1, in addition to the ordinary ones. */
  readonly errorRate: number;
}

/** An endpoint with traffic. */
export interface ServedEndpoint {
  readonly service: string;
  /** As the registry stores it. */
  readonly resource: string;
  /** Mean requests of an hour. */
  readonly perHour: number;
  /** The share of requests that fails at any time. */
  readonly errorRate: number;
}

export interface IncidentOptions {
  readonly seed: number;
  readonly endpoints: readonly ServedEndpoint[];
  /** CUJs that the canary breaks. None of them is overspent. */
  readonly broken: readonly Cuj[];
  /** Epoch ms; the windows end here. No incident is in the day before. */
  readonly nowMs: number;
  /** The traffic at a time as a multiple of the mean; default: always the mean. */
  readonly relativeTraffic?: (epochMs: number) => number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Shares of the error budget that are left. */
const overspentLeft = -0.25;
const lowLeft = 0.15;
const fineLeft = [0.55, 0.78] as const;
/** A longer incident is chosen before a rate above this. */
const usualRate = 0.25;
const maxRate = 0.9;
const maxHours = 48;

/** The longest SLO window of a registry in ms. */
export function longestWindowMs(registry: Registry): number {
  return Math.max(0, ...[...registry.cujs.values()].map(windowMs));
}

/** The incidents of a registry's CUJs, the same for the same seed. A CUJ without an endpoint of its own has none. */
export function planIncidents(registry: Registry, options: IncidentOptions): Incident[] {
  const random = seededRandom(options.seed);
  const candidates = candidatesOf([...registry.cujs.values()], options.endpoints);
  const choose = (left: number, among: readonly Candidate[]) => {
    const unruled = among.filter(({ cuj }) => !changesRule(cuj.errorBudgetPolicy, left));
    return unruled.find(({ cuj }) => cuj.errorBudgetPolicy.some(({ below }) => left < below)) ?? unruled[0];
  };
  const overspent = choose(
    overspentLeft,
    candidates.filter(({ cuj }) => !options.broken.includes(cuj)),
  );
  const low = choose(
    lowLeft,
    candidates.filter((candidate) => candidate !== overspent),
  );
  return candidates.flatMap((candidate) => {
    const { cuj } = candidate;
    const days = windowMs(cuj) / dayMs;
    if (candidate === overspent) return incident(candidate, overspentLeft, days * 0.4, options);
    if (candidate === low) return incident(candidate, lowLeft, 3, options);
    const [min, max] = fineLeft;
    // Above the policy's limits, so that nothing is due.
    const floor = Math.max(min, ...cuj.errorBudgetPolicy.map(({ below }) => below + 0.05));
    const left = floor + random.next() * Math.max(0, max - floor);
    return incident(candidate, left, 2 + random.next() * (days - 4), options);
  });
}

interface Candidate {
  readonly cuj: Cuj;
  /** The busiest endpoint that is in no other CUJ. */
  readonly own: ServedEndpoint;
  /** Mean requests of an hour. */
  readonly perHour: number;
  /** Bad events of an hour. */
  readonly badPerHour: number;
}

function candidatesOf(cujs: readonly Cuj[], endpoints: readonly ServedEndpoint[]): Candidate[] {
  const byKey = new Map<string, Set<Cuj>>();
  for (const cuj of cujs) {
    for (const { service, resource } of cuj.endpoints) {
      const key = keyOf(service, resource);
      byKey.set(key, (byKey.get(key) ?? new Set()).add(cuj));
    }
  }
  const served = new Map<Cuj, { endpoint: ServedEndpoint; isOwn: boolean }[]>();
  for (const endpoint of endpoints) {
    const { service, resource } = endpoint;
    const counting = new Set([resource, '*'].flatMap((name) => [...(byKey.get(keyOf(service, name)) ?? [])]));
    for (const cuj of counting) {
      const list = served.get(cuj) ?? [];
      list.push({ endpoint, isOwn: counting.size === 1 });
      served.set(cuj, list);
    }
  }
  return cujs.flatMap((cuj) => {
    const its = served.get(cuj) ?? [];
    const own = its
      .flatMap(({ endpoint, isOwn }) => (isOwn ? endpoint : []))
      .sort((a, b) => b.perHour - a.perHour)[0];
    if (own === undefined || cuj.objectives.availability === undefined) return [];
    const sum = (of: (endpoint: ServedEndpoint) => number) =>
      its.reduce((total, { endpoint }) => total + of(endpoint), 0);
    return {
      cuj,
      own,
      perHour: sum(({ perHour }) => perHour),
      badPerHour: sum(({ perHour, errorRate }) => perHour * errorRate),
    };
  });
}

function keyOf(service: string, resource: string): string {
  return JSON.stringify([service, resource]);
}

/** The incident after which `left` of the budget is left; none where ordinary failures use up as much. */
function incident(
  { cuj, own, perHour, badPerHour }: Candidate,
  left: number,
  daysAgo: number,
  { nowMs, relativeTraffic = () => 1 }: IncidentOptions,
): Incident[] {
  const windowHours = windowMs(cuj) / hourMs;
  const budget = (cuj.objectives.availability?.budget ?? 0) * perHour * windowHours;
  const bad = budget * (1 - left) - badPerHour * windowHours;
  if (bad <= 0) return [];
  const from = Math.floor((nowMs - daysAgo * dayMs) / hourMs) * hourMs;
  let requests = 0;
  let hours = 0;
  while (hours === 0 || (bad / requests > usualRate && hours < maxHours)) {
    requests += own.perHour * relativeTraffic(from + (hours + 0.5) * hourMs);
    hours += 1;
    if (from + (hours + 1) * hourMs > nowMs - dayMs) break;
  }
  const errorRate = Math.min(maxRate, bad / requests);
  return [{ service: own.service, resource: own.resource, from, to: from + hours * hourMs, errorRate }];
}

/** With a margin, because failures are drawn at random. */
function changesRule(policy: readonly ErrorBudgetAction[], left: number): boolean {
  return policy.some(({ below, gate }) => gate !== undefined && left - 0.1 < below);
}

function windowMs({ sloWindow }: Cuj): number {
  return Number(sloWindow.slice(0, -1)) * dayMs;
}

/** The errors of one endpoint's incidents, as a share of the requests of a span. */
export function incidentErrorRate(incidents: readonly Incident[], atMs: number, spanMs: number): number {
  return incidents.reduce((sum, { from, to, errorRate }) => {
    const overlapMs = Math.min(to, atMs + spanMs) - Math.max(from, atMs);
    return sum + errorRate * Math.max(0, overlapMs / spanMs);
  }, 0);
}
