import { hourMs } from '../domain/duration.ts';
import { resolveRequest } from '../domain/metrics/evaluation-request.ts';
import { type BatchQuery, bucketMs, type Snapshot } from '../domain/metrics/metrics-source.ts';
import type { QueryBatch, Registry, Service } from '../domain/registry/model.ts';
import { type Candidate, candidatesOf } from './attempts.ts';
import { cujsOf, type PlainThreshold, type RolloutReplay, replay } from './replay.ts';
import { paramsFor, versionSelectorOfBatch } from './versions.ts';

/** The queries of a backtest; each call may throw SourceError. */
export interface BacktestPorts {
  /** Hits by service, value of the tag, and hour. */
  readonly versionHits: (
    batch: QueryBatch,
    key: string,
    fromMs: number,
    toMs: number,
  ) => Promise<ReadonlyMap<string, ReadonlyMap<string, Float64Array>>>;
  readonly measure: (query: BatchQuery) => Promise<Snapshot>;
  readonly onProgress: (what: string) => void;
}

export interface BacktestOptions {
  /** Epoch ms, whole hours. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Only this one. */
  readonly service: string | undefined;
  /** The maximum number, newest first. */
  readonly maxRollouts: number;
  readonly threshold: PlainThreshold;
}

export interface Backtest {
  readonly registryDigest: string;
  /** RFC 3339. */
  readonly from: string;
  readonly to: string;
  /** Oldest first. */
  readonly rollouts: readonly RolloutReplay[];
  /** Services whose past rollouts are indistinguishable. */
  readonly notTold: readonly { readonly service: string; readonly why: string }[];
  /** How many more rollouts there were than `maxRollouts`. */
  readonly leftOut: number;
}

/**
 * Finds the rollouts of the past and replays them against the registry as it is now: one call a scope to find them, one
 * for each rollout. Throws SourceError.
 */
export async function backtest(
  registry: Registry,
  options: BacktestOptions,
  ports: BacktestPorts,
): Promise<Backtest> {
  const { fromMs, toMs } = options;
  const wanted = (name: string) => options.service === undefined || options.service === name;
  const notTold: Backtest['notTold'][number][] = [];
  const found: { batch: QueryBatch; candidate: Candidate }[] = [];
  for (const batch of registry.batches) {
    const names = batch.services.map(({ service }) => service.name).filter(wanted);
    if (names.length === 0) continue;
    const versionSelector = versionSelectorOfBatch(batch);
    if ('why' in versionSelector) {
      notTold.push(...names.map((service) => ({ service, why: versionSelector.why })));
      continue;
    }
    ports.onProgress(`looking for rollouts of ${names.join(', ')}`);
    const hits = await ports.versionHits(batch, versionSelector.key, fromMs, toMs);
    for (const name of names) {
      const candidates = candidatesOf(name, hits.get(name) ?? new Map(), fromMs, (toMs - fromMs) / hourMs);
      found.push(...candidates.map((candidate) => ({ batch, candidate })));
    }
  }
  found.sort((a, b) => a.candidate.fromMs - b.candidate.fromMs);
  const chosen = found.slice(-options.maxRollouts);
  const rollouts: RolloutReplay[] = [];
  let last: { key: string; snapshot: Snapshot } | undefined;
  for (const [at, { batch, candidate }] of chosen.entries()) {
    const { service, version } = candidate;
    ports.onProgress(`replaying ${at + 1} of ${chosen.length}: ${service} ${version}`);
    const query = queryOf(registry, batch, candidate);
    // Services of one scope that were released together are in one answer.
    const key = JSON.stringify([batch.id, query.canary, query.stable, query.fromMs, query.toMs]);
    if (last?.key !== key) {
      // The clock does not matter for past data.
      const { clockSkewMs: _, ...snapshot } = await ports.measure(query);
      last = { key, snapshot };
    }
    rollouts.push(...replay(registry, candidate, last.snapshot, options.threshold));
  }
  return {
    registryDigest: registry.digest,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    rollouts: rollouts.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0)),
    notTold,
    leftOut: found.length - chosen.length,
  };
}

/** The gate's own question about the version, over the rollout and the longest window before it. */
function queryOf(registry: Registry, batch: QueryBatch, candidate: Candidate): BatchQuery {
  const { service: name, version, before, fromMs, toMs } = candidate;
  const service = registry.services.get(name) as Service;
  const [cuj] = cujsOf(registry, name);
  if (cuj === undefined) throw new TypeError(`service "${name}" is in a batch without a CUJ`);
  const request = { cuj: cuj.name, service: name, params: paramsFor(service, version, before) };
  const { canary, stable } = resolveRequest(registry, cuj, request).selectors.get(name) as NonNullable<
    ReturnType<ReturnType<typeof resolveRequest>['selectors']['get']>
  >;
  const reachMs = Math.ceil(batch.maxWindowMs / bucketMs) * bucketMs;
  return { batch, canary, stable, fromMs: fromMs - reachMs, toMs, stepMs: bucketMs };
}
