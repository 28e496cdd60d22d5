import { judge } from '../domain/judge/judge.ts';
import type { Outcome, Reason } from '../domain/judge/outcome.ts';
import { resolveRequest } from '../domain/metrics/evaluation-request.ts';
import { measurementOf } from '../domain/metrics/measurement.ts';
import { bucketMs, type ServiceCounts, type Snapshot } from '../domain/metrics/metrics-source.ts';
import { type Cuj, isJudgedInReleaseOf, type Registry, type Service } from '../domain/registry/model.ts';
import { type Attempt, attemptsOf, type Candidate, type Ending } from './attempts.ts';
import { paramsFor } from './versions.ts';

/** One measurement: minutes since the version's first hit, in real time. */
export interface ReplayMeasurement {
  readonly minute: number;
  /** Of a CUJ that only observes: what it would have been. */
  readonly verdict: Outcome;
  readonly reason: Reason;
  readonly summary: string;
}

export interface CujReplay {
  readonly cuj: string;
  readonly mode: 'enforce' | 'observe';
  readonly firstFail: ReplayMeasurement | null;
  readonly firstPass: ReplayMeasurement | null;
  /** The last measurement while it was a canary; null where there was none. */
  readonly last: ReplayMeasurement | null;
  /** The measurements at which verdict or reason changed. */
  readonly changes: readonly Omit<ReplayMeasurement, 'summary'>[];
}

/** The result of a total error rate of the canary. */
export interface TotalReplay {
  readonly requests: number;
  readonly failed: number;
  /** A ratio, at the end. */
  readonly ratio: number | null;
  /** The first measurement above the threshold, over all traffic since the start. */
  readonly firstFail: { readonly minute: number; readonly requests: number; readonly failed: number } | null;
}

/** `abort`: an enforced CUJ failed. `pass`: none failed, and at one measurement all passed. `held`: neither. */
export type RolloutOutcome = 'abort' | 'pass' | 'held';

export interface RolloutReplay {
  readonly service: string;
  readonly version: string;
  readonly before: string;
  /** RFC 3339, the minute of its first hit. */
  readonly from: string;
  /** Minutes for which it was a canary. */
  readonly minutes: number;
  readonly ending: Ending;
  readonly outcome: RolloutOutcome;
  /** Of the abort, or of the pass of all; null where it was held. */
  readonly minute: number | null;
  /** The summary of the verdict that aborts; null otherwise. */
  readonly summary: string | null;
  readonly cujs: readonly CujReplay[];
  readonly total: TotalReplay;
}

/** A total error rate above which a plain analysis fails. */
export interface PlainThreshold {
  /** A ratio. */
  readonly ratio: number;
  readonly minRequests: number;
}

/** The usual minimum of an analysis by a plain threshold. */
export const plainMinRequests = 100;

/** The minutes of silence that make a later attempt another one, for the CUJs of a service. */
function gapMinutes(cujs: readonly Cuj[]): number {
  return Math.max(1, ...cujs.map(({ gate }) => Math.ceil(gate.restartGapMs / bucketMs)));
}

/** The CUJs that a rollout of a service is judged by. */
export function cujsOf(registry: Registry, service: string): Cuj[] {
  return [...registry.cujs.values()].filter((cuj) => isJudgedInReleaseOf(cuj, service));
}

/**
 * Replays every attempt of a candidate: one verdict per minute by the gate's judge, each with the data up to that minute.
 * CUJs are judged one by one for this service, as with generated templates. Pure.
 */
export function replay(
  registry: Registry,
  candidate: Candidate,
  snapshot: Snapshot,
  threshold: PlainThreshold,
): RolloutReplay[] {
  const service = registry.services.get(candidate.service) as Service;
  const counts = snapshot.services.get(service.name) as ServiceCounts;
  const minutes = Math.round((snapshot.toMs - snapshot.fromMs) / bucketMs);
  const canary = counts.canary.whole?.total ?? new Float64Array(minutes);
  const others = Float64Array.from({ length: minutes }, (_, i) =>
    counts.allTraffic === undefined
      ? (counts.stable.whole?.total[i] ?? 0)
      : Math.max(0, (counts.allTraffic[i] as number) - (canary[i] ?? 0)),
  );
  const cujs = cujsOf(registry, service.name);
  const start = Math.round((candidate.fromMs - snapshot.fromMs) / bucketMs);
  return attemptsOf(canary, others, start, gapMinutes(cujs)).map((attempt) =>
    replayAttempt(registry, service, candidate, attempt, snapshot, cujs, threshold),
  );
}

function replayAttempt(
  registry: Registry,
  service: Service,
  { version, before }: Candidate,
  attempt: Attempt,
  snapshot: Snapshot,
  cujs: readonly Cuj[],
  threshold: PlainThreshold,
): RolloutReplay {
  const startMs = snapshot.fromMs + attempt.first * bucketMs;
  const endMs = snapshot.fromMs + attempt.end * bucketMs;
  const params = paramsFor(service, version, before);
  const snapshots = new Map([[service.name, { recent: snapshot }]]);
  const replays = cujs.map((cuj) => ({ cuj, measurements: [] as ReplayMeasurement[] }));
  for (const { cuj, measurements } of replays) {
    const { lagMs } = cuj.gate;
    const checked = resolveRequest(registry, cuj, { cuj: cuj.name, service: service.name, params });
    for (let toMs = startMs + bucketMs; toMs <= endMs; toMs += bucketMs) {
      const measurement = measurementOf(checked, snapshots, { toMs, incompleteMs: 0 });
      const verdict = judge(cuj, measurement, { registryDigest: registry.digest, service: service.name });
      const { verdict: outcome, reason } = verdict.wouldBe ?? verdict;
      measurements.push({
        minute: seenAfter(toMs, startMs, lagMs),
        verdict: outcome,
        reason,
        summary: verdict.summary,
      });
    }
  }
  return {
    service: service.name,
    version,
    before,
    from: new Date(startMs).toISOString(),
    minutes: attempt.end - attempt.first,
    ending: attempt.ending,
    ...outcomeOf(replays.filter(({ cuj }) => cuj.mode === 'enforce').map(({ measurements }) => measurements)),
    cujs: replays.map(({ cuj, measurements }) => cujReplay(cuj, measurements)),
    total: totalOf(snapshot.services.get(service.name), attempt, cujs, threshold),
  };
}

/** Whole minutes from the first hit until the data up to `toMs` is complete. */
function seenAfter(toMs: number, startMs: number, lagMs: number): number {
  return Math.ceil((toMs - startMs + lagMs) / bucketMs);
}

function cujReplay({ name, mode }: Cuj, measurements: readonly ReplayMeasurement[]): CujReplay {
  const changes = measurements.filter((measurement, i) => {
    const last = measurements[i - 1];
    return last === undefined || last.verdict !== measurement.verdict || last.reason !== measurement.reason;
  });
  return {
    cuj: name,
    mode,
    firstFail: measurements.find(({ verdict }) => verdict === 'fail') ?? null,
    firstPass: measurements.find(({ verdict }) => verdict === 'pass') ?? null,
    last: measurements.at(-1) ?? null,
    changes: changes.map(({ minute, verdict, reason }) => ({ minute, verdict, reason })),
  };
}

/** The first fail of an enforced CUJ ends a rollout; without a fail, the measurement at which all pass. */
function outcomeOf(
  enforced: readonly (readonly ReplayMeasurement[])[],
): Pick<RolloutReplay, 'outcome' | 'minute' | 'summary'> {
  const fails = enforced.flatMap(
    (measurements) => measurements.find(({ verdict }) => verdict === 'fail') ?? [],
  );
  const first = fails.sort((a, b) => a.minute - b.minute)[0];
  if (first !== undefined) return { outcome: 'abort', minute: first.minute, summary: first.summary };
  const measurements = enforced[0] ?? [];
  const at = measurements.findIndex((_, i) => enforced.every((of) => of[i]?.verdict === 'pass'));
  if (at < 0) return { outcome: 'held', minute: null, summary: null };
  return { outcome: 'pass', minute: Math.max(...enforced.map((of) => of[at]?.minute ?? 0)), summary: null };
}

function totalOf(
  counts: ServiceCounts | undefined,
  attempt: Attempt,
  cujs: readonly Cuj[],
  { ratio, minRequests }: PlainThreshold,
): TotalReplay {
  const lagMs = Math.min(...cujs.map(({ gate }) => gate.lagMs));
  const whole = counts?.canary.whole;
  let requests = 0;
  let failed = 0;
  let firstFail: TotalReplay['firstFail'] = null;
  for (let i = attempt.first; i < attempt.end; i += 1) {
    requests += whole?.total[i] ?? 0;
    failed += whole?.bad[i] ?? 0;
    if (firstFail === null && requests >= minRequests && failed > ratio * requests) {
      firstFail = {
        minute: seenAfter((i + 1) * bucketMs, attempt.first * bucketMs, lagMs),
        requests,
        failed,
      };
    }
  }
  return { requests, failed, ratio: requests > 0 ? failed / requests : null, firstFail };
}
