import { judge } from '../domain/judge/judge.ts';
import type { SliVerdict } from '../domain/judge/judge-sli.ts';
import { bucketMs, type EndpointMeasurement } from '../domain/metrics/metrics-source.ts';
import type { Cuj, Service } from '../domain/registry/model.ts';
import type { SliName } from '../domain/sli/table.ts';

/** One endpoint's share of a CUJ's traffic, and how it is served today. */
export interface EndpointMix {
  readonly resource: string;
  readonly label: string;
  readonly latencyMs: number | undefined;
  /** Of the CUJ's requests, 0 to 1. */
  readonly share: number;
  /** Bad events over all events, today. */
  readonly badRate: number;
}

/** A CUJ as far as one service's rollout is about it. */
export interface Subject {
  readonly cuj: Cuj;
  readonly service: Service;
  readonly sli: SliName;
  readonly mix: readonly EndpointMix[];
}

/** Minutes of canary traffic that one look sees at most. */
export function maxMinutes({ gate }: Cuj): number {
  return Math.ceil((gate.window === 'rollout' ? gate.maxWindowMs : gate.window) / bucketMs);
}

/** Minutes of traffic until so many requests came; a look sees whole minutes. Infinity where they never do. */
export function minutesOf(requests: number | null, perMinute: number): number {
  if (requests === null || perMinute <= 0) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.ceil(requests / perMinute - 1e-9));
}

/**
 * What the gate itself would say of a canary without a bad event: so many minutes of its share of the CUJ's traffic,
 * beside a stable that goes on as it does today. Asked of the product's judge, so that sampling, dispersion, rules and
 * abort lines are what they are in a rollout.
 */
export function cleanCanary(
  { cuj, service, sli, mix }: Subject,
  /** Of the CUJ, canary and stable together. */
  requestsPerMinute: number,
  /** 0 to 1. */
  weight: number,
  minutes: number,
): SliVerdict {
  const buckets = Math.max(maxMinutes(cuj), Math.ceil(cuj.gate.maxWindowMs / bucketMs));
  const first = buckets - minutes;
  const series = (of: (canary: number) => number) =>
    Float64Array.from({ length: buckets }, (_, i) => of(i >= first ? weight : 0));
  const endpoints = mix.map(({ resource, label, latencyMs, share, badRate }): EndpointMeasurement => {
    const rate = requestsPerMinute * share;
    return {
      service: service.name,
      resource,
      label,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      sampleRate: service.sampleRate,
      dispersion: service.dispersion,
      canary: { total: series((canary) => rate * canary), bad: series(() => 0) },
      stable: {
        total: series((canary) => rate * (1 - canary)),
        bad: series((canary) => rate * (1 - canary) * badRate),
      },
    };
  });
  const verdict = judge(
    cuj,
    {
      fromMs: 0,
      toMs: buckets * bucketMs,
      selectors: { canary: '', stable: '' },
      [sli]: endpoints,
      whole: {
        canary: [...series((canary) => requestsPerMinute * canary)],
        stable: [...series((canary) => requestsPerMinute * (1 - canary))],
      },
    },
    { registryDigest: '', service: service.name },
  );
  return verdict.slis.find((one) => one.sli === sli) as SliVerdict;
}
