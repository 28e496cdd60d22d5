import type { EndpointMeasurement, Measurement, Series } from '../metrics/metrics-source.ts';

/**
 * The measurement if the unclassified requests of one side were all bad; undefined where it has none. The canary's speak
 * against a pass, stable's against a fail.
 */
export function withUnclassifiedBad(
  measurement: Measurement,
  side: 'canary' | 'stable',
): Measurement | undefined {
  const slis = (['availability', 'latency'] as const).filter((sli) =>
    measurement[sli]?.some((endpoint) => endpoint[side].unclassified !== undefined),
  );
  if (slis.length === 0) return undefined;
  const changed = (endpoint: EndpointMeasurement) => ({ ...endpoint, [side]: allBad(endpoint[side]) });
  return {
    ...measurement,
    ...Object.fromEntries(slis.map((sli) => [sli, measurement[sli]?.map(changed)])),
  };
}

/** How many requests are unclassified, on either side. */
export function unclassifiedIn({ availability = [], latency = [] }: Measurement): number {
  let count = 0;
  for (const { canary, stable } of [...availability, ...latency])
    for (const { unclassified } of [canary, stable]) for (const events of unclassified ?? []) count += events;
  return count;
}

function allBad(series: Series): Series {
  const { bad, unclassified } = series;
  return unclassified === undefined
    ? series
    : { ...series, bad: bad.map((events, i) => events + (unclassified[i] as number)) };
}
