import type { AbsentCounter, UnmatchedMatcher } from '../../../domain/ports/backend-facts.ts';
import type { Service } from '../../../domain/registry/model.ts';
import {
  isLabelName,
  type LabelMatcher,
  labelOf,
  matcherText,
  oneOfValues,
  quoted,
} from '../query/label-matchers.ts';
import { presetMetricsThere } from '../query/preset-counters.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import type { Asking } from './survey-questions.ts';

/** More labels are not looked at: one query names all of them. */
const maxLabels = 60;

/** Why no series of a counter is selected for a service, which the plan asks for alone. Throws SourceError. */
export async function readAbsent(
  asking: Asking,
  { metric, matchers, serviceLabel, services }: PlannedQuery,
  service: Service,
): Promise<AbsentCounter> {
  const [serviceValue = service.name] = services.keys();
  const own = matcherText(oneOfValues(serviceLabel, [serviceValue]));
  const ofService = await labelsOf(asking, `${metric}{${own}}`);
  if (ofService !== undefined) {
    const unmatched = await unmatchedOf(asking, metric, own, matchers.slice(1));
    return { serviceValue, labelNames: ofService, unmatched, labelsOfName: [], counters: new Set() };
  }
  const ofMetric = await labelsOf(asking, metric);
  return {
    serviceValue,
    labelNames: ofMetric,
    unmatched: [],
    labelsOfName: await labelsWithValue(asking, metric, ofMetric ?? [], service.name),
    counters: ofMetric === undefined ? await presetMetricsThere(asking) : new Set(),
  };
}

/** The names of the labels of one series; undefined where there is none. */
async function labelsOf(asking: Asking, selector: string): Promise<readonly string[] | undefined> {
  const [any] = await asking.vector(`topk(1, ${selector})`);
  return any && Object.keys(any.labels).filter((name) => isLabelName(name));
}

/** The matchers that no series of the service has, asked one by one; all of them where each of them has some. */
async function unmatchedOf(
  asking: Asking,
  metric: string,
  own: string,
  others: readonly LabelMatcher[],
): Promise<UnmatchedMatcher[]> {
  const found: UnmatchedMatcher[] = [];
  for (const matcher of others) {
    const text = matcherText(matcher);
    if ((await asking.vector(`count(${metric}{${own},${text}})`)).length > 0) continue;
    const { label, value } = matcher;
    found.push({ text, label, value, values: await asking.seriesBy(label, `${metric}{${own}}`) });
  }
  return found;
}

/** The labels that have a value on some series, by one query. */
async function labelsWithValue(
  asking: Asking,
  metric: string,
  names: readonly string[],
  value: string,
): Promise<string[]> {
  const label = 'cuj_gate_label';
  const parts = names
    .slice(0, maxLabels)
    .map(
      (name) => `label_replace(count(${metric}{${name}=${quoted(value)}}), "${label}", "${name}", "", "")`,
    );
  if (parts.length === 0) return [];
  return (await asking.vector(parts.join(' or '))).map(({ labels }) => labelOf(labels, label)).sort();
}
