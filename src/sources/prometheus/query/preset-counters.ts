import { presetSource, proposedPresets } from './found-counters.ts';
import { type Labels, labelOf, quoted } from './label-matchers.ts';

/** A counter that a preset knows. */
export interface PresetCounter {
  readonly metric: string;
  /** `preset:istio`. */
  readonly preset: string;
  /** The label that tells services apart. */
  readonly serviceLabel: string;
}

export const presetCounters: readonly PresetCounter[] = Object.entries(proposedPresets).flatMap(
  ([name, preset]) => {
    const source = presetSource(name, preset, {});
    return 'problem' in source
      ? []
      : [
          {
            metric: source.parsed.total.metric,
            preset: `preset:${preset}`,
            serviceLabel: source.own.label,
          },
        ];
  },
);

/** Series by name of those of them that are there. */
const thereQuery = `count by (__name__) ({__name__=~${quoted(presetCounters.map(({ metric }) => metric).join('|'))}})`;

/** The names of those of them that are there. */
export async function presetMetricsThere(asking: {
  vector(query: string): Promise<readonly { readonly labels: Labels }[]>;
}): Promise<ReadonlySet<string>> {
  const there = await asking.vector(thereQuery);
  return new Set(there.map(({ labels }) => labelOf(labels, '__name__')));
}

/** Counters of presets that are there, as a sentence; the empty string where there is none. */
export function presetsThere(metrics: ReadonlySet<string>): string {
  const found = presetCounters.filter(({ metric }) => metrics.has(metric));
  return found.length === 0
    ? ''
    : `Counters of presets that are there: ${found.map(({ metric, preset }) => `${metric} (${preset})`).join(', ')}.`;
}
