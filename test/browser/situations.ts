import { SourceError } from '../../src/domain/errors.ts';
import type { Outcome, Reason } from '../../src/domain/judge/outcome.ts';
import {
  type BatchQuery,
  bucketMs,
  type Series,
  type SideCounts,
  type Snapshot,
} from '../../src/domain/metrics/metrics-source.ts';
import type { AnyCujDocument, RegistryDocument } from '../../src/domain/registry/schema.ts';

/** Situations that together have every outcome and every reason, as counts that a source answers and as the registry of a CUJ. */

/** The gate's clock, 2026-06-01 12:20 UTC. */
export const nowMs = Date.UTC(2026, 5, 1, 12, 20);
/** When the canary of most situations began. */
const beginMs = Date.UTC(2026, 5, 1, 12, 8);

type Side = 'canary' | 'stable';

/** Events of one endpoint in a minute. */
interface Counts {
  readonly total: number;
  readonly bad?: number;
  readonly slow?: number;
  /** How many of them carry no status. */
  readonly noStatus?: number;
}

export interface Situation {
  readonly name: string;
  readonly verdict: Outcome;
  readonly reason: Reason;
  /** What the CUJ and its service have besides the defaults. */
  readonly cuj?: Readonly<Record<string, unknown>>;
  readonly service?: Readonly<Record<string, unknown>>;
  readonly counts: (side: Side, resource: string, atMs: number) => Counts;
  /** The query of the question besides `version=v2`. */
  readonly query?: string;
  readonly error?: SourceError;
  readonly clockSkewMs?: number;
  /** Further CUJs of the registry. */
  readonly others?: readonly AnyCujDocument[];
  /** Whether only the page of the service has this reason. */
  readonly ofService?: boolean;
}

const none: Counts = { total: 0 };
const verify = 'post_/signup/verify';

/** Traffic of both sides, the canary's since it began. */
const both =
  (canary: Counts, stable: Counts = { total: 600 }) =>
  (side: Side, _: string, atMs: number) =>
    side === 'stable' ? stable : atMs < beginMs ? none : canary;

const sourceFails = (code: SourceError['code']): Situation => ({
  name: code,
  verdict: 'inconclusive',
  reason: code,
  counts: () => none,
  error: new SourceError(code, 'Datadog gave no usable answer', 'Wait for the next measurement.'),
});

export const situations: readonly Situation[] = [
  { name: 'good', verdict: 'pass', reason: 'within_slo', counts: both({ total: 300 }) },
  {
    name: 'broken-endpoint',
    verdict: 'fail',
    reason: 'slo_violated',
    counts: (side, resource, atMs) =>
      side === 'stable'
        ? { total: 600 }
        : atMs < beginMs
          ? none
          : { total: 40, bad: resource === verify && atMs >= beginMs + 6 * bucketMs ? 12 : 0 },
  },
  {
    name: 'slow',
    verdict: 'fail',
    reason: 'slo_violated',
    cuj: { slo: { availability: 99.95, latency: 99 }, latencyMs: 300 },
    counts: both({ total: 200, slow: 60 }, { total: 600, slow: 1 }),
  },
  {
    name: 'strict-fail',
    verdict: 'fail',
    reason: 'slo_violated',
    cuj: { gate: { rule: 'strict' } },
    counts: both({ total: 300, bad: 3 }),
  },
  {
    name: 'worse-than-stable',
    verdict: 'fail',
    reason: 'worse_than_stable',
    cuj: { gate: { rule: 'baseline' } },
    counts: both({ total: 200, bad: 30 }, { total: 600, bad: 6 }),
  },
  {
    name: 'not-worse-than-stable',
    verdict: 'pass',
    reason: 'not_worse_than_stable',
    cuj: { gate: { rule: 'baseline' } },
    counts: both({ total: 300, bad: 3 }, { total: 600, bad: 6 }),
  },
  {
    name: 'limited-evidence',
    verdict: 'pass',
    reason: 'limited_evidence',
    counts: both({ total: 6 }),
  },
  {
    name: 'thin',
    verdict: 'inconclusive',
    reason: 'insufficient_traffic',
    counts: (side, _, atMs) =>
      side === 'stable' ? { total: 600 } : atMs < nowMs - 4 * bucketMs ? none : { total: 6 },
  },
  {
    name: 'noise',
    verdict: 'inconclusive',
    reason: 'within_noise',
    cuj: { gate: { passAfter: '25m' } },
    counts: (side, resource, atMs) =>
      side === 'stable'
        ? { total: 600 }
        : atMs < beginMs
          ? none
          : { total: 130, bad: resource === verify && atMs % (4 * bucketMs) === 0 ? 1 : 0 },
  },
  {
    name: 'shared-cause',
    verdict: 'inconclusive',
    reason: 'shared_cause',
    counts: both({ total: 200, bad: 20 }, { total: 600, bad: 60 }),
  },
  { name: 'no-canary', verdict: 'inconclusive', reason: 'no_data', counts: both(none) },
  {
    name: 'alone',
    verdict: 'inconclusive',
    reason: 'canary_indistinguishable',
    counts: (side) => (side === 'stable' ? none : { total: 300 }),
  },
  {
    name: 'crash-loop',
    verdict: 'inconclusive',
    reason: 'canary_restarting',
    cuj: { gate: { restartGap: '3m' } },
    counts: (side, _, atMs) =>
      side === 'stable'
        ? { total: 600 }
        : atMs < beginMs - 15 * bucketMs || (atMs / bucketMs) % 8 >= 4
          ? none
          : { total: 300 },
  },
  {
    name: 'unreached',
    verdict: 'inconclusive',
    reason: 'endpoint_unreached',
    cuj: { gate: { onUnreached: 'inconclusive' } },
    counts: (side, resource, atMs) =>
      side === 'stable' ? { total: 600 } : atMs < beginMs || resource === verify ? none : { total: 300 },
  },
  {
    name: 'no-status',
    verdict: 'inconclusive',
    reason: 'status_missing',
    counts: both({ total: 300, noStatus: 240 }, { total: 600, noStatus: 0 }),
  },
  {
    name: 'wrong-threshold',
    verdict: 'inconclusive',
    reason: 'threshold_unmet',
    cuj: { slo: { availability: 99.95, latency: 99 }, latencyMs: 300 },
    counts: both({ total: 300, slow: 300 }, { total: 600, slow: 600 }),
  },
  {
    name: 'stale',
    verdict: 'inconclusive',
    reason: 'source_stale',
    counts: (side, _, atMs) =>
      atMs >= nowMs - 9 * bucketMs || (side === 'canary' && atMs < beginMs - 8 * bucketMs)
        ? none
        : { total: 300 },
  },
  {
    name: 'skewed',
    verdict: 'inconclusive',
    reason: 'clock_skew',
    counts: both({ total: 300 }),
    clockSkewMs: 6 * bucketMs,
  },
  {
    name: 'observed',
    verdict: 'pass',
    reason: 'observe_only',
    cuj: { mode: 'observe' },
    counts: both({ total: 200, bad: 30 }),
  },
  {
    name: 'only-observed',
    verdict: 'inconclusive',
    reason: 'no_enforced_cujs',
    cuj: { mode: 'observe' },
    counts: both({ total: 300 }),
    ofService: true,
  },
  sourceFails('source_unavailable'),
  sourceFails('source_rate_limited'),
  sourceFails('source_timeout'),
  sourceFails('source_rejected'),
  sourceFails('source_malformed'),
  sourceFails('gate_overloaded'),
  sourceFails('auth_unavailable'),
];

/** What a registry may hold that must not reach a browser as markup, and a text without a place to break. */
export const hostileTitle = `<script>alert(1)</script><img src=x onerror=alert(2)> "' & \u202e ${'long'.repeat(20)}`;

export function registryDocument({
  cuj = {},
  service = {},
  others = [],
}: Pick<Situation, 'cuj' | 'service' | 'others'>): RegistryDocument {
  return {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.95 }, gate: { maxWindow: '30m' } },
    services: {
      'member-api': { env: 'production', operation: 'http.request', canary: 'version:{version}', ...service },
    },
    cujs: [
      {
        name: 'signup',
        title: 'Sign-up',
        description: 'A visitor creates an account.',
        owner: 'team-identity',
        runbook: 'https://wiki.example.com/runbooks/signup',
        service: 'member-api',
        endpoints: ['POST /signup', 'POST /signup/verify'],
        ...cuj,
      },
      ...others,
    ],
  } as RegistryDocument;
}

/** What a source answers in a situation. Throws the situation's error. */
export function snapshotIn(situation: Situation, query: BatchQuery): Snapshot {
  const { counts, error, clockSkewMs } = situation;
  if (error !== undefined) throw error;
  const { fromMs, toMs, stepMs } = query;
  const length = Math.ceil((toMs - fromMs) / stepMs);
  const series = (side: Side, resources: readonly string[], bad: (of: Counts) => number): Series => {
    const total = new Float64Array(length);
    const badOnes = new Float64Array(length);
    const withStatus = new Float64Array(length);
    let lacksStatus = false;
    for (const resource of resources) {
      for (let i = 0; i < length; i += 1) {
        const of = counts(side, resource, fromMs + i * stepMs);
        const share = stepMs / bucketMs;
        const add = (to: Float64Array, events: number) => {
          // Whole events: what is less than one comes in the first bucket of its minute.
          const isFirst = (fromMs + i * stepMs) % bucketMs === 0;
          const each = Math.floor(events * share);
          to[i] = (to[i] as number) + each + (isFirst ? events - each * Math.round(1 / share) : 0);
        };
        add(total, of.total);
        add(badOnes, bad(of));
        add(withStatus, of.total - (of.noStatus ?? 0));
        if (of.noStatus !== undefined) lacksStatus = true;
      }
    }
    return { total, bad: badOnes, ...(lacksStatus ? { withStatus } : {}) };
  };
  const sideOf = (side: Side, resources: readonly string[], thresholds: readonly number[]): SideCounts => {
    const one = (resource: string) => series(side, [resource], ({ bad = 0 }) => bad);
    return {
      whole: series(side, resources, ({ bad = 0 }) => bad),
      requests: new Map(resources.map((resource) => [resource, one(resource)])),
      latency: new Map(
        thresholds.map((latencyMs) => [
          latencyMs,
          new Map(
            resources.map((resource) => {
              const { withStatus: _, ...slow } = series(side, [resource], (of) => of.slow ?? 0);
              return [resource, slow];
            }),
          ),
        ]),
      ),
    };
  };
  return {
    fromMs,
    toMs,
    stepMs,
    services: new Map(
      query.batch.services.map(({ service, resources, thresholds }) => {
        const limits = thresholds.map(({ latencyMs }) => latencyMs);
        return [
          service.name,
          { canary: sideOf('canary', resources, limits), stable: sideOf('stable', resources, limits) },
        ];
      }),
    ),
    queries: [{ name: 'canary_total', query: `sum:trace.http.request.hits{env:production AND version:v2}` }],
    ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
  };
}
