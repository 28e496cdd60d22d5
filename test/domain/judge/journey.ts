import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
/** Builders for the tests of verdicts: a CUJ, its endpoints and a measurement, with defaults for everything else. */

import { readSeries } from '../../../src/domain/metrics/measurement-json.ts';
import type { EndpointMeasurement, Measurement, Series } from '../../../src/domain/metrics/metrics-source.ts';
import { bucketMs } from '../../../src/domain/metrics/metrics-source.ts';
import type { Cuj, GatePolicy, Registry } from '../../../src/domain/registry/model.ts';
import { objectiveOf } from '../../../src/domain/registry/objective.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { resourceNameOf } from '../../../src/sources/datadog/query/tag-normalization.ts';

export const defaultPolicy: GatePolicy = {
  rule: 'confidence',
  falseAbort: 0.05,
  ruleOutBurn: 14.4,
  minRequests: 0,
  onLowTraffic: 'inconclusive',
  window: 'rollout',
  maxWindowMs: 7_200_000,
  restartGapMs: 300_000,
  minFaultMs: 30_000,
  lagMs: 45_000,
};

interface CujWishes {
  readonly name?: string;
  readonly availability?: number;
  readonly latency?: number;
  readonly mode?: 'enforce' | 'observe';
  readonly gate?: Partial<GatePolicy>;
  /** Labels such as `GET /a`, or a label with its service or threshold. */
  readonly endpoints?: readonly (
    | string
    | { readonly label: string; readonly service?: string; readonly latencyMs?: number }
  )[];
}

export function cujOf(wishes: CujWishes = {}): Cuj {
  const endpoints = (wishes.endpoints ?? ['GET /a']).map((wish) => {
    const { label, service = 'shop', latencyMs } = typeof wish === 'string' ? { label: wish } : wish;
    const space = label.indexOf(' ');
    return {
      service,
      resource: space < 0 ? label : resourceNameOf(label.slice(0, space), label.slice(space + 1)),
      label,
      latencyMs,
    };
  });
  const onlyLatency = wishes.availability === undefined && wishes.latency !== undefined;
  return {
    name: wishes.name ?? 'login',
    title: undefined,
    description: undefined,
    owner: 'team-identity',
    runbook: undefined,
    tier: 1,
    mode: wishes.mode ?? 'enforce',
    endpoints,
    services: [...new Set(endpoints.map(({ service }) => service))],
    sloWindow: '30d',
    objectives: {
      ...(onlyLatency ? {} : { availability: objectiveOf(wishes.availability ?? 99.95) }),
      ...(wishes.latency === undefined ? {} : { latency: objectiveOf(wishes.latency) }),
    },
    sloIds: {},
    gate: { ...defaultPolicy, ...wishes.gate },
    errorBudgetPolicy: [],
  };
}

/** Counts by minute, as tests write them or as a measurement has them. */
export interface Counts {
  readonly total: ArrayLike<number>;
  readonly bad: ArrayLike<number>;
  readonly withStatus?: ArrayLike<number>;
  readonly unclassified?: ArrayLike<number>;
}

export const silent: Counts = { total: [], bad: [] };

export function endpointOf(
  label: string,
  canary: Counts,
  stable: Counts = silent,
  more: Partial<Pick<EndpointMeasurement, 'sampleRate' | 'dispersion' | 'service' | 'latencyMs'>> = {},
): EndpointMeasurement {
  const space = label.indexOf(' ');
  return {
    service: 'shop',
    resource: space < 0 ? label : resourceNameOf(label.slice(0, space), label.slice(space + 1)),
    label,
    sampleRate: 1,
    dispersion: 1,
    canary: readSeries(canary),
    stable: readSeries(stable),
    ...more,
  };
}

interface MeasurementWishes {
  readonly availability?: readonly EndpointMeasurement[];
  readonly latency?: readonly EndpointMeasurement[];
  readonly whole?: { readonly canary: readonly number[]; readonly stable: readonly number[] };
  readonly sinceMs?: number;
  readonly windowMs?: number | 'rollout';
  /** Empty buckets before the counts, so that the window begins at the canary's first hit. */
  readonly before?: number;
  readonly fromMs?: number;
}

const base = Date.UTC(2026, 0, 31, 9, 0);

function sumOf(
  endpoints: readonly EndpointMeasurement[],
  side: 'canary' | 'stable',
  buckets: number,
): number[] {
  return Array.from({ length: buckets }, (_, i) =>
    endpoints.reduce((sum, endpoint) => sum + (endpoint[side].total[i] ?? 0), 0),
  );
}

/** A measurement as long as its longest series. Hits of the whole service default to the sum over its endpoints. */
export function measurementOf(wishes: MeasurementWishes): Measurement {
  const before = new Array<number>(wishes.before ?? 0).fill(0);
  const after = ({ total, bad, withStatus, unclassified }: Series) =>
    readSeries({
      total: [...before, ...total],
      bad: [...before, ...bad],
      ...(withStatus === undefined ? {} : { withStatus: [...before, ...withStatus] }),
      ...(unclassified === undefined ? {} : { unclassified: [...before, ...unclassified] }),
    });
  const later = (endpoints: readonly EndpointMeasurement[] | undefined) =>
    endpoints?.map((endpoint) => ({
      ...endpoint,
      canary: after(endpoint.canary),
      stable: after(endpoint.stable),
    }));
  const availability = later(wishes.availability);
  const latency = later(wishes.latency);
  const all = [...(availability ?? []), ...(latency ?? [])];
  const buckets = Math.max(
    1,
    wishes.whole?.canary.length ?? 0,
    ...all.map((endpoint) => Math.max(endpoint.canary.total.length, endpoint.stable.total.length)),
  );
  const hits = availability ?? latency ?? [];
  const fromMs = wishes.fromMs ?? base;
  return {
    fromMs,
    toMs: fromMs + buckets * bucketMs,
    ...(wishes.sinceMs === undefined ? {} : { sinceMs: wishes.sinceMs }),
    ...(wishes.windowMs === undefined ? {} : { windowMs: wishes.windowMs }),
    selectors: { canary: 'version:v2', stable: 'the rest' },
    ...(availability === undefined ? {} : { availability }),
    ...(latency === undefined ? {} : { latency }),
    whole: wishes.whole ?? { canary: sumOf(hits, 'canary', buckets), stable: sumOf(hits, 'stable', buckets) },
  };
}

/** Spreads counts evenly over minutes: 7 over 3 is 3, 2, 2. */
export function over(minutes: number, total: number, bad: number): Counts {
  const spread = (count: number) =>
    Array.from({ length: minutes }, (_, i) => Math.floor((count + minutes - 1 - i) / minutes));
  return { total: spread(total), bad: spread(bad) };
}

/** mulberry32: 32 bits of state are enough for a test, and give the same numbers on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A registry from JSON text. Throws an Error with its problems. */
export function registryOf(json: string): Registry {
  const document = JSON.parse(json) as RegistryDocument;
  const resolution = resolveRegistry([{ file: 'test.json', document }], 'sha256:test', {
    dialect: datadogDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings, null, 2));
  return resolution.registry;
}
