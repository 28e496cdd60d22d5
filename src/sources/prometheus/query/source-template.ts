import type { SourceDocument } from '../../../domain/registry/schema.ts';
import type { ParsedSource, Source, SourceProblem } from '../../../domain/registry/source-dialect.ts';
import { type CounterSelector, type Mistake, parseSelector, selectorExample } from './counter-selector.ts';
import { type DurationSource, parseDuration } from './duration-source.ts';
import {
  isLabelName,
  type LabelMatcher,
  type Labels,
  labelOf,
  matcherText,
  regexProblem,
} from './label-matchers.ts';
import { type GrpcStatus, grpcStatusOf, presetNames, presetOf } from './presets.ts';

/**
 * Sources as data: `sources:` of the registry. `total` and `bad` are selectors of counters. Canary, stable and endpoints are
 * told apart by the labels of the series that come back, so a selector has no placeholder for them.
 */

export interface CounterSource extends Source {
  readonly total: CounterSelector;
  readonly bad: CounterSelector;
  /** Labels whose values, joined by spaces, are the key of an endpoint; empty where endpoints cannot be told apart. */
  readonly endpointLabels: readonly string[];
  /** Where the counter has gRPC's statuses besides those that `bad` tells. */
  readonly grpcStatus?: GrpcStatus;
  /** The histogram of how long events took, where it has one. */
  readonly durations?: DurationSource;
}

/** A source of the registry as this backend parsed it. Throws TypeError where another backend did. */
export function counterSourceOf(source: Source): CounterSource {
  if (!('endpointLabels' in source)) throw new TypeError(`source "${source.name}" is not Prometheus'`);
  return source as CounterSource;
}

/** The endpoint that labels of a series name; undefined where one of them is missing, or endpoints cannot be told apart. */
export function endpointIn(
  { endpointLabels }: Pick<CounterSource, 'endpointLabels'>,
  labels: Labels,
): string | undefined {
  const parts = endpointLabels.map((label) => labelOf(labels, label));
  return parts.length === 0 || parts.includes('') ? undefined : parts.join(' ');
}

/** The matchers that `bad` has besides those of `total`: what tells bad events among the series of the total. */
export function badMatchers({ total, bad }: Pick<CounterSource, 'total' | 'bad'>): readonly LabelMatcher[] {
  return without(bad.matchers, total.matchers);
}

function without(
  matchers: readonly LabelMatcher[],
  others: readonly LabelMatcher[],
): readonly LabelMatcher[] {
  const known = new Set(others.map(matcherText));
  return matchers.filter((matcher) => !known.has(matcherText(matcher)));
}

/** Reads both selectors and the labels of endpoints; every field that is wrong is reported, with its first mistake. */
export function parseCounterSource(name: string, document: SourceDocument): ParsedSource {
  const problems: SourceProblem[] = [];
  const parsed: Partial<Record<'total' | 'bad', CounterSelector>> = {};
  for (const field of ['total', 'bad'] as const) {
    const selector = parseField(document, field);
    if ('message' in selector) problems.push({ field, ...selector });
    else parsed[field] = selector;
  }
  const groupBy = document.groupBy ?? presetOf(document.total)?.groupBy;
  const endpointLabels = groupBy === undefined ? [] : groupBy.split('/');
  const wrong = endpointLabels.find((label) => !isLabelName(label));
  if (wrong !== undefined) {
    problems.push({
      field: 'groupBy',
      message: `"${wrong}" is not the name of a label`,
      fix: 'Write one label, such as route, or several joined by "/", such as method/route: their values, joined by spaces, are the endpoint.',
    });
  }
  const durations = parseDuration(document);
  if (Array.isArray(durations)) problems.push(...durations);
  const { total, bad } = parsed;
  if (total === undefined || bad === undefined) return { ok: false, problems };
  const mistake = mistakeOfBad(total, bad);
  if (mistake !== undefined) problems.push({ field: 'bad', ...mistake });
  if (problems.length > 0) return { ok: false, problems };
  const grpcStatus = grpcStatusOf(bad.metric, badMatchers({ total, bad }));
  const source: CounterSource = {
    name,
    groupBy,
    total,
    bad,
    endpointLabels,
    ...(grpcStatus === undefined ? {} : { grpcStatus }),
    ...(durations === undefined || Array.isArray(durations) ? {} : { hasDurations: true, durations }),
  };
  return { ok: true, source };
}

/**
 * Bad events are looked for among the series of the total. So no failure is missed because its own counter is not there, or is
 * not scraped, and a selector that counts nothing is not taken for a sound service.
 */
function mistakeOfBad(total: CounterSelector, bad: CounterSelector): Mistake | undefined {
  if (total.metric !== bad.metric) {
    return {
      message: `bad counts ${bad.metric} and total ${total.metric}: a counter of failures that is not there looks as one without failures`,
      fix: `Name one counter in both, and tell failures by a label of it, such as ${selectorExample}.`,
    };
  }
  const missing = without(total.matchers, bad.matchers);
  if (missing.length > 0) {
    return {
      message: `bad lacks ${missing.map(matcherText).join(', ')} of total, and bad events are counted among those of total`,
      fix: 'Write all matchers of total into bad as well, in the same words. If they exclude failures, remove them from total.',
    };
  }
  const own = without(bad.matchers, total.matchers);
  if (own.length === 0) {
    return {
      message: 'bad and total are the same selector, so every event would be bad',
      fix: 'Restrict bad to the failed events, such as code=~"5..".',
    };
  }
  const fixed = total.matchers.filter(({ operator }) => operator === '=').map(({ label }) => label);
  const twice = own.find(({ label }) => fixed.includes(label));
  if (twice !== undefined) {
    return {
      message: `bad has ${matcherText(twice)}, and total has one value of ${twice.label} only`,
      fix: `Remove the matcher of ${twice.label} from total, or tell failures by another label.`,
    };
  }
  const unclear = own.find(
    ({ operator, value }) => operator.endsWith('~') && regexProblem(value) !== undefined,
  );
  return unclear === undefined
    ? undefined
    : {
        message: `the regular expression ${matcherText(unclear)} ${regexProblem(unclear.value)}`,
        fix: 'Use literals, ".", classes such as [0-9], alternatives with "|", and * + ? after a single character.',
      };
}

function parseField(document: SourceDocument, field: 'total' | 'bad'): CounterSelector | Mistake {
  const text = document[field].trim();
  if (!text.startsWith('preset:')) return parseSelector(text);
  const preset = presetOf(text);
  if (preset !== undefined) return parseSelector(preset[field]);
  return {
    message: `there is no ${text}`,
    fix: `Write one of ${presetNames.map((one) => `preset:${one}`).join(', ')}, or a selector such as ${selectorExample}.`,
  };
}
