import type { Cuj, Registry } from '../../../domain/registry/model.ts';
import { endpointsCountedBy } from '../../../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../../../domain/sli/table.ts';
import { recordedThresholds } from './native-boundaries.ts';
import { counterSourceOf } from './source-template.ts';

/** What the rules of `cuj-gate generate prometheus-slos` record: who writes them and who reads them use these names. */
export const recorded = {
  /** Events a second by service and endpoint of a CUJ, over 5 minutes. */
  endpointRequests: 'cuj_endpoint:requests:rate5m',
  /** The bad ones among them: 0 where there are none. */
  endpointBad: 'cuj_endpoint:requests_bad:rate5m',
  /** Of latency: those whose duration is not known. Below 0 where the histogram has more than the counter. */
  endpointUnclassified: 'cuj_endpoint:requests_unclassified:rate5m',
  /** The same of a whole CUJ. */
  requests: 'cuj:requests:rate5m',
  bad: 'cuj:requests_bad:rate5m',
  /** Bad of all events, 0 to 1; not there without events. */
  errorRatio: (window: string) => `cuj:error_ratio:rate${window}`,
  windowErrorRatio: 'cuj:error_ratio:slo_window',
  /** Of latency, over 6 hours: what counter and histogram differ by, endpoint by endpoint, and of all events. */
  unclassified: 'cuj:requests_unclassified:rate6h',
  unclassifiedRatio: 'cuj:unclassified_ratio:rate6h',
  windowUnclassifiedRatio: 'cuj:unclassified_ratio:slo_window',
  /** 0 to 1. */
  objective: 'cuj:slo_objective:ratio',
  /** 1 is all of the budget, 0 none, below 0 overspent. Not there where too little of the window, or of its durations, is known. */
  budgetRemaining: 'cuj:error_budget_remaining:ratio',
} as const;

/** The SLIs that there are rules for. */
export const recordedSlis: readonly SliName[] = ['availability', 'latency'];

/** Of a budget: where more is unclassified, nothing is known of the rest. */
export const unclassifiedPart = 1 / 4;

/** Why there are no rules of an SLI of a CUJ that Prometheus measures, to follow its name; undefined where there are. */
export function whyNotRecorded(registry: Registry, cuj: Cuj, sli: SliName): string | undefined {
  if (!recordedSlis.includes(sli)) return 'there are no rules for this SLI yet';
  if (!sliKinds[sli].needsThreshold) return undefined;
  const estimated = endpointsCountedBy(sliKinds[sli], cuj.endpoints).flatMap(({ service, latencyMs }) => {
    const template = registry.batchOfService.get(service)?.template;
    const durations = template === undefined ? undefined : counterSourceOf(template).durations;
    if (durations === undefined || latencyMs === undefined) return [];
    const exact = recordedThresholds(latencyMs, durations);
    return exact.includes(latencyMs) ? [] : [{ service, latencyMs, exact }];
  });
  if (estimated.length === 0) return undefined;
  const named = (of: readonly (string | number)[]) => [...new Set(of)].sort().join(', ');
  const thresholds = new Map(estimated.map(({ latencyMs, exact }) => [latencyMs, exact]));
  const fixes = [...thresholds]
    .sort(([a], [b]) => a - b)
    .map(([latencyMs, exact]) => `latencyMs: ${latencyMs} to ${exact.join(' or ')}`);
  return `the durations of ${named(estimated.map(({ service }) => service))} are a native histogram, of which rules would estimate how many requests take longer than ${[...thresholds.keys()].sort((a, b) => a - b).join(', ')} ms. Change ${fixes.join(', ')}, or name a classic histogram (…_bucket) in duration of the source`;
}

/** The labels of all series of one SLO. */
export function recordedLabels(
  { name, environment }: Pick<Cuj, 'name' | 'environment'>,
  sli: SliName,
): Record<string, string> {
  return { cuj: name, ...(environment === undefined ? {} : { environment }), sli };
}
