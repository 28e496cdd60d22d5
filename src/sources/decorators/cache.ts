import { setMaxListeners } from 'node:events';
import { LRUCache } from 'lru-cache';
import { SourceError } from '../../domain/errors.ts';
import { isClockSkewed } from '../../domain/judge/clock-skew.ts';
import { anyBackend } from '../../domain/judge/summary.ts';
import type {
  BatchQuery,
  MetricsSource,
  Series,
  SideCounts,
  Snapshot,
} from '../../domain/metrics/metrics-source.ts';
import { queryKey } from './query-key.ts';
import { hasStopped, timeToLiveMs } from './time-to-live.ts';

/** Called once for each question, with what became of it. */
export interface CacheObserver {
  hit(): void;
  /** The question went to the source. */
  miss(): void;
  /** The question joined an equal one in progress. */
  coalesced(): void;
}

export interface CacheOptions {
  /**
   * Time to live of a snapshot, in ms; of one about settled minutes it may be longer (time-to-live.ts). 0: no snapshot is
   * kept, and only simultaneous equal questions share a call.
   */
  readonly ttlMs: number;
  /** Replaces what time-to-live.ts says, in ms; `nowMs` is epoch ms. */
  readonly ttlOf?: (query: BatchQuery, nowMs: number) => number;
  readonly maxEntries: number;
  /** Approximate memory of all snapshots, in bytes. */
  readonly maxBytes: number;
  readonly observer?: CacheObserver;
  /** Monotonic ms. */
  readonly now?: () => number;
  /** Epoch ms. */
  readonly epochNow?: () => number;
}

interface Call {
  readonly snapshot: Promise<Snapshot>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * A MetricsSource that asks each question once: equal questions that arrive together share one call, and a snapshot is
 * kept for its TTL. Hits return the very same object, so that a verdict made of it can be remembered. Failures are shared
 * by those who wait for them and never kept.
 *
 * Throws what the inner source throws; source_timeout to a caller whose own signal aborts, and at once where it has
 * aborted already and the snapshot is not kept. The shared call continues for the others, and is aborted when the last
 * one has gone.
 */
export function createCachedSource(inner: MetricsSource, options: CacheOptions): MetricsSource {
  const { ttlMs, maxEntries, maxBytes, observer, epochNow = Date.now } = options;
  // lru-cache takes a TTL of 0 for "forever".
  const snapshots = ttlMs > 0 ? keepFor(ttlMs, maxEntries, maxBytes, options.now) : undefined;
  const calls = new Map<string, Call>();

  function startCall(key: string, query: BatchQuery): Call {
    const controller = new AbortController();
    const settledTtlMs = options.ttlOf?.(query, epochNow()) ?? timeToLiveMs(query, ttlMs, epochNow());
    const snapshot = inner.measure(query, controller.signal).then((measured) => {
      // A wrong clock does not tell what is settled. The skew itself is in the snapshot, and may be over soon.
      const isUnsettled = isClockSkewed(measured.clockSkewMs) || hasStopped(measured);
      const ttl = isUnsettled ? ttlMs : settledTtlMs;
      if (calls.get(key) === call) snapshots?.set(key, measured, { ttl });
      return measured;
    });
    const call: Call = { snapshot, controller, waiting: 0 };
    calls.set(key, call);
    const finishCall = () => {
      if (calls.get(key) === call) calls.delete(key);
    };
    // All callers may have left by the time it fails: then nothing else handles the rejection.
    snapshot.then(finishCall, finishCall);
    return call;
  }

  return {
    async measure(query, signal) {
      const key = queryKey(query);
      const known = snapshots?.get(key);
      if (known !== undefined) {
        observer?.hit();
        return known;
      }
      if (signal.aborted) throw timedOut(query);
      let call = calls.get(key);
      if (call === undefined) {
        observer?.miss();
        call = startCall(key, query);
      } else observer?.coalesced();
      const joined = call;
      joined.waiting += 1;
      try {
        return await untilAborted(joined.snapshot, signal, () => timedOut(query));
      } finally {
        joined.waiting -= 1;
        if (joined.waiting === 0 && calls.get(key) === joined) {
          calls.delete(key);
          joined.controller.abort();
        }
      }
    },
  };
}

function keepFor(ttlMs: number, max: number, maxBytes: number, now: (() => number) | undefined) {
  return new LRUCache<string, Snapshot>({
    max,
    maxSize: maxBytes,
    sizeCalculation: approximateBytes,
    ttl: ttlMs,
    ttlResolution: 0,
    ...(now === undefined ? {} : { perf: { now } }),
  });
}

function timedOut({ batch }: BatchQuery): SourceError {
  const { backend } = batch.services[0]?.service.dialect ?? anyBackend;
  return new SourceError(
    'source_timeout',
    `${backend} did not answer before the deadline of this request.`,
    `Usually this is temporary. If it lasts, check the network to ${backend}, and try a shorter maxWindow.`,
  );
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal, errorOf: () => Error): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(errorOf());
    // A request about a service adds a listener for each of its CUJs: that is no leak.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Bytes of the numbers and texts; objects around them are counted roughly. */
function approximateBytes(snapshot: Snapshot): number {
  let bytes = 1_000;
  for (const { name, query } of snapshot.queries) bytes += 2 * (name.length + query.length);
  for (const { canary, stable, allTraffic } of snapshot.services.values()) {
    bytes += sideBytes(canary) + sideBytes(stable) + (allTraffic?.byteLength ?? 0);
  }
  return bytes;
}

function sideBytes({ whole, requests, latency, failures }: SideCounts): number {
  let bytes = 500 + seriesBytes(whole);
  for (const series of requests.values()) bytes += seriesBytes(series);
  for (const resources of [...latency.values(), ...(failures?.values() ?? [])])
    for (const series of resources.values()) bytes += seriesBytes(series);
  return bytes;
}

function seriesBytes(series: Series | undefined): number {
  if (series === undefined) return 0;
  const { total, bad, withStatus, unclassified } = series;
  const more = (withStatus?.byteLength ?? 0) + (unclassified?.byteLength ?? 0);
  return 400 + total.byteLength + bad.byteLength + more;
}
