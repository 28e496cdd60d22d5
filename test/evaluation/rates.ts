import {
  type BatchQuery,
  bucketMs,
  type MetricsSource,
  type Series,
  type SideCounts,
  type Snapshot,
} from '../../src/domain/metrics/metrics-source.ts';
import { noEvents } from '../../src/domain/metrics/series.ts';

type Side = 'canary' | 'stable';

/** Whole requests a minute, and bad ones among them. */
export interface Rate {
  readonly total: number;
  readonly bad?: number;
  /** Epoch ms from and until which there is traffic. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Epoch ms from and until which the bad ones are. */
  readonly badFromMs?: number;
  readonly badUntilMs?: number;
}

type Span = Pick<Snapshot, 'fromMs' | 'toMs' | 'stepMs'>;
type RateOf = (side: Side, service: string, resource: string) => Rate | undefined;

/** A source in memory: rates by side and by service and resource (`shop`, `get_/a`), the same in buckets of any length. */
export class Rates implements MetricsSource {
  readonly asked: BatchQuery[] = [];
  trouble: Error | undefined;
  /** The shortest buckets that it has, in ms. */
  minStepMs = 0;
  readonly #rates: RateOf;

  constructor(rates: RateOf) {
    this.#rates = rates;
  }

  async measure(query: BatchQuery): Promise<Snapshot> {
    this.asked.push(query);
    if (this.trouble !== undefined) throw this.trouble;
    const stepMs = Math.max(query.stepMs, this.minStepMs);
    const span = { fromMs: query.fromMs, toMs: query.toMs, stepMs };
    const side = (of: Side, service: string, resources: readonly string[]): SideCounts => {
      const series = (resource: string): Series | undefined => {
        const rate = this.#rates(of, service, resource);
        if (rate === undefined) return undefined;
        const total = countsIn(span, rate.total, rate.fromMs, rate.untilMs);
        // As Datadog's source has it, where each request has a status.
        return { total, bad: badIn(span, rate), withStatus: total };
      };
      const known = resources.map((resource) => [resource, series(resource)] as const);
      const requests = new Map(known.filter((pair): pair is [string, Series] => pair[1] !== undefined));
      return { whole: series('*'), requests, latency: new Map([[300, requests]]) };
    };
    return {
      ...span,
      services: new Map(
        query.batch.services.map(({ service, resources }) => [
          service.name,
          {
            canary: side('canary', service.name, resources),
            stable: side('stable', service.name, resources),
          },
        ]),
      ),
      queries: [{ name: query.batch.id, query: 'as asked' }],
    };
  }
}

function badIn(span: Span, { bad = 0, ...rate }: Rate): Float64Array {
  if (bad === 0) return noEvents(Math.ceil((span.toMs - span.fromMs) / span.stepMs));
  const { fromMs = 0, untilMs = Infinity, badFromMs = 0, badUntilMs = Infinity } = rate;
  return countsIn(span, bad, Math.max(fromMs, badFromMs), Math.min(untilMs, badUntilMs));
}

/**
 * A rate of whole events a minute as the buckets of a span have it, from and until epoch ms. The events of a minute are spread
 * evenly over it.
 */
export function countsIn(
  { fromMs, toMs, stepMs }: Span,
  perMinute: number,
  beginMs = 0,
  endMs = Infinity,
): Float64Array {
  return Float64Array.from({ length: Math.ceil((toMs - fromMs) / stepMs) }, (_, i) => {
    const atMs = fromMs + i * stepMs;
    const untilMs = Math.min(atMs + stepMs, toMs, endMs);
    return Math.max(0, eventsUntil(untilMs, perMinute) - eventsUntil(Math.max(atMs, beginMs), perMinute));
  });
}

/** Events from epoch 0 until a time. */
function eventsUntil(atMs: number, perMinute: number): number {
  const minute = Math.floor(atMs / bucketMs);
  return minute * perMinute + Math.floor((perMinute * (atMs - minute * bucketMs)) / bucketMs);
}
