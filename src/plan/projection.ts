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

/** The most minutes of canary traffic in one window. */
export function maxMinutes({ gate }: Cuj): number {
  return Math.ceil((gate.window === 'rollout' ? gate.maxWindowMs : gate.window) / bucketMs);
}

/** Whole minutes of traffic until that many requests have arrived. Infinity where they never do. */
export function minutesOf(requests: number | null, perMinute: number): number {
  if (requests === null || perMinute <= 0) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.ceil(requests / perMinute - 1e-9));
}

/** What a pass of a clean canary takes. */
export interface PassNeed {
  /** Requests, as the source counts them, of a proven pass; null where requests alone do not lead there. */
  readonly proven: number | null;
  /** Requests and minutes of a pass with limited evidence. */
  readonly limited: { readonly requests: number; readonly minutes: number } | undefined;
}

export function passNeed(subject: Subject, requestsPerMinute: number): PassNeed {
  const level = Math.max(requestsPerMinute, 1);
  const minutes = maxMinutes(subject.cuj);
  // Hardly any traffic, in every minute: a rule that compares needs minutes in which both sides have some.
  const { requestsToVerdict, limitedPass } = cleanCanary(subject, level, 1e-6 / (level * minutes), minutes);
  const { passAfterMs = 0 } = subject.cuj.gate;
  return {
    proven: requestsToVerdict,
    limited:
      limitedPass === undefined || passAfterMs > maxMinutes(subject.cuj) * bucketMs
        ? undefined
        : { requests: limitedPass.requests, minutes: Math.ceil(passAfterMs / bucketMs) },
  };
}

/** The least number of requests of any pass; null where requests alone do not lead there. */
export function minRequestsOfPass({ proven, limited }: PassNeed): number | null {
  if (limited === undefined) return proven;
  return proven === null ? limited.requests : Math.min(proven, limited.requests);
}

/** Whole minutes of traffic until the first pass. Infinity where there is none. */
export function minutesToPass({ proven, limited }: PassNeed, perMinute: number): number {
  const wait =
    limited === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(limited.minutes, minutesOf(limited.requests, perMinute));
  return Math.min(minutesOf(proven, perMinute), wait);
}

/**
 * The gate's verdict on a canary without bad events, after some minutes of its share of the CUJ's traffic, with a stable
 * that behaves as it does today. Uses the real judge, so that sampling, dispersion, rules and abort thresholds are the same
 * as in a rollout.
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
      dispersion: service.dispersion ?? 1,
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
