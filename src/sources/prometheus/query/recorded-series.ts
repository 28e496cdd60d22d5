import type { Cuj } from '../../../domain/registry/model.ts';
import type { SliName } from '../../../domain/sli/table.ts';

/** What the rules of `cuj-gate generate prometheus-slos` record: who writes them and who reads them use these names. */
export const recorded = {
  /** Events a second by service and endpoint of a CUJ, over 5 minutes. */
  endpointRequests: 'cuj_endpoint:requests:rate5m',
  /** The bad ones among them: 0 where there are none. */
  endpointBad: 'cuj_endpoint:requests_bad:rate5m',
  /** The same of a whole CUJ. */
  requests: 'cuj:requests:rate5m',
  bad: 'cuj:requests_bad:rate5m',
  /** Bad of all events, 0 to 1; not there without events. */
  errorRatio: (window: string) => `cuj:error_ratio:rate${window}`,
  windowErrorRatio: 'cuj:error_ratio:slo_window',
  /** 0 to 1. */
  objective: 'cuj:slo_objective:ratio',
  /** 1 is all of the budget, 0 none, below 0 overspent. Not there where too little of the window is known. */
  budgetRemaining: 'cuj:error_budget_remaining:ratio',
} as const;

/** The SLIs that there are rules for. */
export const recordedSlis: readonly SliName[] = ['availability'];

/** The labels of all series of one SLO. */
export function recordedLabels(
  { name, environment }: Pick<Cuj, 'name' | 'environment'>,
  sli: SliName,
): Record<string, string> {
  return { cuj: name, ...(environment === undefined ? {} : { environment }), sli };
}
