import { judge, type Verdict } from '../../../src/domain/judge/judge.ts';
import { resolveRequest } from '../../../src/domain/metrics/evaluation-request.ts';
import { measuredUntil, measurementOf, type Snapshots } from '../../../src/domain/metrics/measurement.ts';
import {
  bucketMs,
  type Measurement,
  recentStepMs,
  type Series,
  type SideCounts,
  type Snapshot,
} from '../../../src/domain/metrics/metrics-source.ts';
import type { Cuj } from '../../../src/domain/registry/model.ts';
import { registryOf } from '../judge/journey.ts';

/** Traffic in buckets of 10 s, and what a source that is asked at some time answers about it. */

export type Side = 'canary' | 'stable';

/** Requests and bad events by bucket of 10 s since {@link fineFromMs}. */
export type FineTraffic = Readonly<Record<Side, { readonly total: number[]; readonly bad: number[] }>>;

export const fineFromMs = Date.UTC(2026, 0, 31, 9, 0);

const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "30m" } },
    "services": { "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" } },
    "cujs": [ { "name": "login", "owner": "t", "service": "shop", "endpoints": ["GET /a"] } ] }`);
export const fineCuj = registry.cujs.get('login') as Cuj;

export interface AskedAt {
  /** The length of the recent buckets that the source answers in. Default: 10 s. */
  readonly stepMs?: number;
  /** How much later than the other side's the counts of a side arrive, in ms. */
  readonly lateMs?: Partial<Record<Side, number>>;
  /** Where the past ends, epoch ms. Default: 10 min before `toMs`, at a multiple of 5 min. */
  readonly pastEndMs?: number;
  readonly cuj?: Cuj;
  readonly sinceMs?: number;
}

/** What the source has of the traffic until `toMs`. */
export function snapshotsAt(traffic: FineTraffic, toMs: number, asked: AskedAt = {}): Snapshots {
  const { stepMs = recentStepMs, lateMs = {} } = asked;
  const pastEndMs = asked.pastEndMs ?? Math.floor((toMs - 10 * bucketMs) / (5 * bucketMs)) * 5 * bucketMs;
  const cut = (fromMs: number, endMs: number, everyMs: number): Snapshot => {
    const counts = (side: Side, of: 'total' | 'bad') => {
      const out = new Float64Array(Math.ceil((endMs - fromMs) / everyMs));
      traffic[side][of].forEach((count, i) => {
        const atMs = fineFromMs + i * recentStepMs;
        if (atMs < fromMs || atMs >= Math.min(endMs, toMs - (lateMs[side] ?? 0))) return;
        out[Math.floor((atMs - fromMs) / everyMs)]! += count;
      });
      return out;
    };
    const sideOf = (side: Side): SideCounts => {
      const series: Series = { total: counts(side, 'total'), bad: counts(side, 'bad') };
      return { whole: series, requests: new Map([['get_/a', series]]), latency: new Map() };
    };
    const services = new Map([['shop', { canary: sideOf('canary'), stable: sideOf('stable') }]]);
    return { fromMs, toMs: endMs, stepMs: everyMs, services, queries: [] };
  };
  return {
    past: cut(Math.min(fineFromMs, pastEndMs - bucketMs), pastEndMs, bucketMs),
    recent: cut(pastEndMs, toMs, stepMs),
  };
}

/** The measurement that the gate makes of it. */
export function measuredAt(traffic: FineTraffic, toMs: number, asked: AskedAt = {}): Measurement {
  const { cuj = fineCuj, sinceMs } = asked;
  const snapshots = new Map([['shop', snapshotsAt(traffic, toMs, asked)]]);
  const request = resolveRequest(registry, cuj, {
    cuj: 'login',
    params: new Map([['version', 'v2']]),
    ...(sinceMs === undefined ? {} : { since: new Date(sinceMs).toISOString() }),
  });
  return measurementOf(request, snapshots, measuredUntil(request, snapshots, toMs));
}

export function judgedAt(traffic: FineTraffic, toMs: number, asked: AskedAt = {}): Verdict {
  return judge(asked.cuj ?? fineCuj, measuredAt(traffic, toMs, asked), { registryDigest: 'sha256:test' });
}

/** A policy that differs from the default. */
export function fineCujWith(gate: Partial<Cuj['gate']>): Cuj {
  return { ...fineCuj, gate: { ...fineCuj.gate, ...gate } };
}
