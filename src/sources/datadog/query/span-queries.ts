import type { BatchService } from '../../../domain/registry/model.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { queryLabelOf } from './failure-terms.ts';
import {
  type AllTrafficQuery,
  addQuery,
  maxResourceListLength,
  type QueryPair,
  type Question,
  type Shape,
} from './query-plan-types.ts';
import { eventCountTexts } from './query-text.ts';
import { endpointTagOf, spanMetricNames } from './span-metrics.ts';

const ofOneService: Shape = {
  serviceKey: undefined,
  resourceKey: undefined,
  services: undefined,
  resources: undefined,
};

/** Requests and failures of a service on one side, by the metrics that are made of its spans, for each definition of failure. */
export function planSpans(question: Question): void {
  for (const of of question.services) {
    const { resources, asWhole, failures = [], service, thresholds } = of;
    if (thresholds.length > 0)
      throw new TypeError(`service "${service.name}": only source trace knows durations`);
    if (failures.length === 0 || asWhole || resources.length > 0)
      planDefinition(question, of, undefined, resources, asWhole);
    for (const one of failures)
      planDefinition(question, of, one.failure, one.resources, one.resources.includes('*'));
  }
}

function planDefinition(
  question: Question,
  { service }: BatchService,
  failure: Failure | undefined,
  asked: readonly string[],
  asWhole: boolean,
): void {
  const { plan, number, side, scope, unfilled } = question;
  const names = spanMetricNames(service, failure);
  const tag = endpointTagOf(service);
  const label = failure === undefined ? '' : `${queryLabelOf(failure)}_`;
  const resources = asked.filter((resource) => resource !== '*');
  const filter = possibleNames(resources);
  const pair = (
    what: string,
    only: readonly string[] | undefined,
    byEndpoint: boolean,
  ): Required<QueryPairOfAll> => {
    const texts = eventCountTexts(names, tag, {
      ...scope,
      resources: only,
      by: byEndpoint ? [tag] : undefined,
      unfilled,
    });
    const shape: Shape = byEndpoint
      ? {
          ...ofOneService,
          resourceKey: tag,
          resources: only === undefined ? undefined : new Set(resources),
          hasOpenEnds: true,
        }
      : ofOneService;
    const ask = (name: string, text: string) => addQuery(question, `${what}${name}`, text, shape);
    const [total, part] = [ask('hits', texts.total), ask('bad', texts.bad)];
    const rest = (texts.rest ?? []).map((text, i) => ask(i === 0 ? 'good' : 'no_status', text));
    return { total, part, rest, noStatus: names.noStatus === undefined ? undefined : rest.at(-1) };
  };
  const some = resources.length > 0;
  const grouped = some ? pair(label, filter, true) : undefined;
  // Before the check, which is the same where there is no filter.
  const whole = pair(`${label}all_`, undefined, false);
  const { total, part } = some ? pair(`${label}check_`, filter, false) : whole;
  // Stable's are not asked for: without them, stable excuses less.
  const lost =
    names.lost === undefined || !some || side !== 'canary'
      ? undefined
      : eventCountTexts({ ...names, total: names.lost }, tag, { ...scope, unfilled }).total;
  plan.sets.push({
    side,
    latencyMs: undefined,
    ...(failure === undefined ? {} : { failure }),
    key: `${label}hits_${number}`,
    services: [{ name: service.name, group: '', resources, ...(asWhole ? { asWhole: true } : {}) }],
    grouped,
    check: some ? { total, part } : undefined,
    whole,
    ...(lost === undefined ? {} : { lost: addQuery(question, `${label}lost`, lost, ofOneService) }),
  });
}

type QueryPairOfAll = Pick<QueryPair, 'total' | 'part' | 'rest' | 'noStatus'>;

/**
 * How values of the tag may be stored: whether a special character at the end leaves a `_` is not documented for metrics that are made
 * of events. Undefined where the list is too long for a filter.
 */
export function possibleNames(resources: readonly string[]): readonly string[] | undefined {
  const both = resources.flatMap((resource) => [resource, `${resource}_`]);
  return both.join(',').length <= maxResourceListLength ? both : undefined;
}

/** All requests of a batch's service, which is the question's only one; its scope has no condition. */
export function allInSpans(question: Question): AllTrafficQuery[] {
  const { scope, services, unfilled } = question;
  return services.map(({ service }) => {
    const { total } = eventCountTexts(spanMetricNames(service, undefined), endpointTagOf(service), {
      ...scope,
      unfilled,
    });
    return {
      query: addQuery(question, 'all_traffic', total, ofOneService),
      services: [{ name: service.name, group: '' }],
    };
  });
}
