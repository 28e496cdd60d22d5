import type { EndpointMeasurement, Measurement, Series } from '../metrics/metrics-source.ts';
import { allSlis, mapSlis } from '../sli/by-sli.ts';

/**
 * The measurement as it would be if all unclassified requests of one side were bad. Undefined where that side has none. For
 * the canary it tests a pass, for stable a fail.
 */
export function withUnclassifiedBad(
  measurement: Measurement,
  side: 'canary' | 'stable',
): Measurement | undefined {
  if (allSlis(measurement).every((endpoint) => endpoint[side].unclassified === undefined)) return undefined;
  const changed = (endpoint: EndpointMeasurement) => ({ ...endpoint, [side]: allBad(endpoint[side]) });
  return { ...measurement, ...mapSlis(measurement, (endpoints) => endpoints.map(changed)) };
}

/** How many requests are unclassified, on either side. */
export function unclassifiedIn(measurement: Measurement): number {
  let count = 0;
  for (const { canary, stable } of allSlis(measurement))
    for (const { unclassified } of [canary, stable]) for (const events of unclassified ?? []) count += events;
  return count;
}

function allBad(series: Series): Series {
  const { bad, unclassified } = series;
  return unclassified === undefined
    ? series
    : { ...series, bad: bad.map((events, i) => events + (unclassified[i] as number)) };
}
