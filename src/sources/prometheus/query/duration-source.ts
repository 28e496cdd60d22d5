import { type DurationUnit, durationUnits, type SourceDocument } from '../../../domain/registry/schema.ts';
import type { SourceProblem } from '../../../domain/registry/source-dialect.ts';
import { type CounterSelector, type Mistake, parseSelector } from './counter-selector.ts';
import { presetNames, presetOf } from './presets.ts';

/**
 * Where a source says how long requests took: `duration` of the registry. A name that ends in `_bucket` is a classic histogram,
 * any other a native one. The unit is that of the name or of `durationUnit`, and is never guessed.
 */
export interface DurationSource {
  readonly selector: CounterSelector;
  readonly kind: 'classic' | 'native';
  readonly unit: DurationUnit;
}

export const durationExample = 'http_request_duration_seconds_bucket{job="{service}"}';

/** Undefined where the source has none; a list of what is wrong where it cannot be used. */
export function parseDuration(document: SourceDocument): DurationSource | SourceProblem[] | undefined {
  const { duration, durationUnit } = document;
  if (duration === undefined) {
    if (durationUnit === undefined) return undefined;
    const message = 'durationUnit is the unit of duration, and the source has no duration';
    return [
      { field: 'durationUnit', message, fix: `Add duration, such as ${durationExample}, or remove it.` },
    ];
  }
  const selector = selectorOf(duration.trim());
  if ('message' in selector) return [{ field: 'duration', ...selector }];
  const unit = unitOf(selector.metric, durationUnit);
  if (typeof unit !== 'string') return [unit];
  return { selector, kind: selector.metric.endsWith('_bucket') ? 'classic' : 'native', unit };
}

function selectorOf(text: string): CounterSelector | Mistake {
  const preset = presetOf(text);
  if (preset === undefined && text.startsWith('preset:')) {
    return {
      message: `there is no ${text}`,
      fix: `Write one of ${presetNames.map((one) => `preset:${one}`).join(', ')}, or a histogram such as ${durationExample}.`,
    };
  }
  const selector = parseSelector(preset?.duration ?? text, { what: 'histogram', example: durationExample });
  if ('message' in selector) return selector;
  const { metric, matchers } = selector;
  const part = /_(count|sum|total)$/.exec(metric)?.[0];
  if (part !== undefined) {
    return {
      message: `${metric} has no buckets, so it does not tell how many events were slow`,
      fix: `Name the buckets of the histogram, such as ${metric.slice(0, -part.length)}_bucket.`,
    };
  }
  const own = matchers.find(({ label }) => label === 'le' || label === 'quantile' || label === 'vmrange');
  if (own === undefined) return selector;
  return {
    message: `the selector has a matcher of ${own.label}, and the buckets are chosen by latencyMs`,
    fix: `Remove it, such as ${durationExample}.`,
  };
}

/** In what the names of metrics end, by the conventions of Prometheus, OpenTelemetry, Istio and Linkerd. */
const suffixes: Readonly<Record<string, DurationUnit>> = {
  seconds: 'seconds',
  milliseconds: 'milliseconds',
  ms: 'milliseconds',
};

/** Thresholds are not looked for in these, and a name that says one of them must not be taken for another. */
const otherUnits = ['nanoseconds', 'microseconds', 'minutes', 'hours', 'days'];

function unitOf(metric: string, written: DurationUnit | undefined): DurationUnit | SourceProblem {
  const suffix = metric
    .replace(/_bucket$/, '')
    .split('_')
    .at(-1) as string;
  if (otherUnits.includes(suffix)) {
    return {
      field: 'duration',
      message: `the name ${metric} says that durations are in ${suffix}`,
      fix: `Name a histogram in ${durationUnits.join(' or ')}. If the name is wrong, let Prometheus rename the metric (metric_relabel_configs).`,
    };
  }
  const named = Object.hasOwn(suffixes, suffix) ? suffixes[suffix] : undefined;
  if (named === undefined) {
    return (
      written ?? {
        field: 'duration',
        message: `the name ${metric} does not say in what unit durations are`,
        fix: `Add durationUnit: ${durationUnits.join(' or ')}. Only names that end in ${Object.keys(suffixes).join(', ')} say it (before _bucket).`,
      }
    );
  }
  if (written === undefined || written === named) return named;
  return {
    field: 'durationUnit',
    message: `durationUnit says ${written}, and the name ${metric} says ${named}`,
    fix: `Remove durationUnit. If the name is wrong, let Prometheus rename the metric (metric_relabel_configs).`,
  };
}
