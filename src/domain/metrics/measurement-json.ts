import { type BySli, mapSlis } from '../sli/by-sli.ts';
import type { SliName } from '../sli/table.ts';
import type { EndpointMeasurement, Measurement, Series } from './metrics-source.ts';

/** A measurement as JSON has it: counts are lists of numbers. */
export type WrittenMeasurement = WithEndpoints<WrittenEndpoint>;

export interface WrittenEndpoint extends Omit<EndpointMeasurement, 'canary' | 'stable' | 'recentBad'> {
  readonly canary: WrittenSeries;
  readonly stable: WrittenSeries;
  readonly recentBad?: readonly number[];
}

export interface WrittenSeries {
  readonly total: readonly number[];
  readonly bad: readonly number[];
  readonly withStatus?: readonly number[];
  readonly unclassified?: readonly number[];
}

interface Lists {
  readonly total: ArrayLike<number>;
  readonly bad: ArrayLike<number>;
  readonly withStatus?: ArrayLike<number>;
  readonly unclassified?: ArrayLike<number>;
}

/** For JSON. `readMeasurement` is its inverse. */
export function writeMeasurement(measurement: Measurement): WrittenMeasurement {
  return withEndpoints(measurement, ({ canary, stable, recentBad, ...endpoint }) => ({
    ...endpoint,
    canary: writeSeries(canary),
    stable: writeSeries(stable),
    ...(recentBad === undefined ? {} : { recentBad: [...recentBad] }),
  }));
}

/** Throws TypeError where the counts are no lists. */
export function readMeasurement(written: WrittenMeasurement): Measurement {
  return withEndpoints(written, ({ canary, stable, recentBad, ...endpoint }) => ({
    ...endpoint,
    canary: readSeries(canary),
    stable: readSeries(stable),
    ...(recentBad === undefined ? {} : { recentBad: Float64Array.from(recentBad) }),
  }));
}

function writeSeries({ total, bad, withStatus, unclassified }: Series): WrittenSeries {
  return {
    total: [...total],
    bad: [...bad],
    ...(withStatus === undefined ? {} : { withStatus: [...withStatus] }),
    ...(unclassified === undefined ? {} : { unclassified: [...unclassified] }),
  };
}

/** From lists of any kind. */
export function readSeries({ total, bad, withStatus, unclassified }: Lists): Series {
  return {
    total: Float64Array.from(total),
    bad: Float64Array.from(bad),
    ...(withStatus === undefined ? {} : { withStatus: Float64Array.from(withStatus) }),
    ...(unclassified === undefined ? {} : { unclassified: Float64Array.from(unclassified) }),
  };
}

type WithEndpoints<E> = Omit<Measurement, SliName> & BySli<readonly E[]>;

/** The order of the members is kept: a record that is read and written again is the same. */
function withEndpoints<From, To>(
  of: WithEndpoints<From>,
  convert: (endpoint: From) => To,
): WithEndpoints<To> {
  const converted = { ...of } as WithEndpoints<From> & WithEndpoints<To>;
  return Object.assign(
    converted,
    mapSlis<readonly From[], readonly To[]>(of, (endpoints) => endpoints.map(convert)),
  );
}
