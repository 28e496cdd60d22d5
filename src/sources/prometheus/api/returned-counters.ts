import { anyValueText, type Labels, labelOf } from '../query/label-matchers.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { type CounterSamples, identityOf } from './matrix-response.ts';
import { birthTest, type CountedSeries, type ReadSeries } from './read-series.ts';
import { findTargets } from './target-restarts.ts';

/**
 * A counter without a sample in the margin before the span looks as a new one. Where its process was only not scraped for so long, its
 * first sample has all that it counted in its life, which was counted before.
 */

/** A new counter that begins with fewer events than this says little, whatever they are. */
const minEvents = 100;

/** A new counter begins with about as many events as each scrape then adds. So many times as many are no beginning. */
const usualIncrements = 20;

/** So far back a counter is looked for. */
const lookback = '6h';

/** With more processes than this, those of all are asked for: the query would become too long. */
const maxInstances = 200;

/** The query for what counters had counted before, where some begin with too much; undefined where none does. */
export function returnedQuery({ query }: PlannedQuery, series: ReadSeries): string | undefined {
  const isBirth = birthTest(series);
  const high = series.all.filter(({ samples }) => isBirth(samples.times[0] as number) && beginsHigh(samples));
  // Nearly always: the processes are not worth looking for then.
  if (high.length === 0) return undefined;
  const mayReturn = returnTest(series);
  const suspected = high.filter(({ samples }) => mayReturn(samples));
  if (suspected.length === 0) return undefined;
  const instances = [...new Set(suspected.map(({ samples }) => labelOf(samples.labels, 'instance')))];
  const narrow =
    instances.length > maxInstances ? query : `${query.slice(0, -1)},${anyValueText('instance', instances)}}`;
  return `last_over_time(${narrow}[${lookback}])`;
}

/** Where a counter was there before, it goes on from what it had counted, as of `beforeMs`. */
export function withEarlierSamples(
  series: ReadSeries,
  earlier: readonly { readonly labels: Labels; readonly value: number }[],
  beforeMs: number,
): ReadSeries {
  const before = new Map(earlier.map(({ labels, value }) => [withoutName(labels), value]));
  const mayReturn = returnTest(series);
  const continued = (one: CountedSeries): CountedSeries => {
    const { labels, times, values } = one.samples;
    const value = before.get(withoutName(labels));
    if (value === undefined || !Number.isInteger(value) || value < 0 || (times[0] as number) <= beforeMs)
      return one;
    if (!mayReturn(one.samples)) return one;
    return {
      ...one,
      samples: {
        labels,
        times: Float64Array.of(beforeMs, ...times),
        values: Float64Array.of(value, ...values),
      },
    };
  };
  return { ...series, all: series.all.map(continued) };
}

/**
 * Whether a counter may be one that was not scraped. Where others of its process were scraped before its first sample, it was not there:
 * it is new since the process began, whatever a process before it had counted under the same labels.
 */
function returnTest({ all }: ReadSeries): (samples: CounterSamples) => boolean {
  const targetOf = findTargets(all.map(({ samples }) => samples));
  return (samples) =>
    !((targetOf(samples).scrapes[0] ?? Number.POSITIVE_INFINITY) < (samples.times[0] as number));
}

function beginsHigh({ values }: CounterSamples): boolean {
  const first = values[0] as number;
  const most = values.reduce(
    (greatest, value, i) => (i === 0 ? 0 : Math.max(greatest, value - (values[i - 1] as number))),
    0,
  );
  return first >= minEvents && first > usualIncrements * most;
}

/** Functions drop the name of the metric, in some backends. */
function withoutName({ __name__: _, ...labels }: Labels): string {
  return identityOf(labels);
}
