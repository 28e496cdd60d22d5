/** One whole rollout: Argo's state machine asks the product's evaluator, which reads the simulated traffic. */
import { CallerError } from '../../src/domain/errors.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { createEvaluator, type Evaluator } from '../../src/evaluation/evaluator.ts';
import { type CanarySpec, type MeasurementPhase, RolloutRun } from './argo.ts';
import { assess, type GateMetric, type Hashes } from './manifest.ts';
import { maxRolloutMs, Traffic, type TrafficOptions } from './traffic.ts';

/** The versions of every simulated rollout. */
export const hashes: Hashes = { Latest: '774fdfcdd8', Stable: 'c57bbf5b5' };

/** How long new pods take until they get traffic. */
export const podStartMs = 20_000;

export interface Ending {
  readonly end: 'promoted' | 'aborted' | 'paused';
  /** `CUJ reason` of the answers that ended it, or that it was waiting for. */
  readonly because: readonly string[];
  /** Seconds from the start until the new version has 95% of the traffic; null where it never does. */
  readonly allTraffic: number | null;
  /** Seconds from the start until the rollout is at its end. */
  readonly done: number;
  /** Seconds from the first request that failed by the release's fault until the end; null where none failed. */
  readonly sinceFault: number | null;
  /** The canary's failed requests on all endpoints of the CUJs. */
  readonly failed: number;
  /** The canary's requests on the endpoints at fault. */
  readonly faultyRequests: number;
  /** Measurements that Argo has made. */
  readonly questions: number;
}

/** Never aborted: no answer takes time. */
const { signal } = new AbortController();
const parameterHeader = 'x-canary-';

/** Asks the evaluator what a metric's URL and headers say. */
export async function answerOf(evaluator: Evaluator, { path, headers }: GateMetric): Promise<unknown> {
  const url = new URL(path, 'http://gate');
  const [, kind, name = '', last] = url.pathname.split('/');
  if (last !== 'status' || (kind !== 'cujs' && kind !== 'services'))
    throw new Error(`the simulation does not understand the path ${path}`);
  const params = new Map<string, string>();
  for (const [header, value] of headers)
    if (header.startsWith(parameterHeader))
      params.set(header.slice(parameterHeader.length).replaceAll('-', '_'), value);
  const own: Record<string, string> = {};
  for (const [key, value] of url.searchParams) {
    if (key === 'service' || key === 'window' || key === 'since') own[key] = value;
    else params.set(key, value);
  }
  if (kind === 'cujs') return (await evaluator.cuj({ ...own, cuj: name, params }, signal)).verdict;
  return (await evaluator.service({ ...own, service: name, params }, signal)).verdict;
}

/** Why an answer is what it is: `signup slo_violated`. */
function reasonOf(answer: unknown): string {
  const { cuj, cujs, reason } = answer as {
    cuj?: string;
    cujs?: readonly { cuj: string }[];
    reason: string;
  };
  return `${cuj ?? cujs?.[0]?.cuj} ${reason}`;
}

/** Simulates one rollout until it is promoted, aborted, or waits for a person. */
export async function simulateRollout(
  spec: CanarySpec<GateMetric>,
  options: TrafficOptions & { readonly registry: Registry },
): Promise<Ending> {
  const { startMs } = options;
  const traffic = new Traffic(options);
  let nowMs = startMs;
  const evaluator = createEvaluator({
    registry: () => options.registry,
    source: traffic.source(() => nowMs),
    now: () => nowMs,
  });
  const run = new RolloutRun(spec, startMs, podStartMs);
  let weights = 0;
  const follow = () => {
    for (; weights < run.weights.length; weights += 1) {
      const change = run.weights[weights];
      if (change !== undefined) traffic.setWeight(change.atMs, change.weight / 100);
    }
  };
  follow();
  let questions = 0;
  const last = new Map<GateMetric, { phase: MeasurementPhase; reason: string }>();
  const ask = async (metric: GateMetric): Promise<readonly [GateMetric, MeasurementPhase]> => {
    questions += 1;
    try {
      const answer = await answerOf(evaluator, metric);
      const phase = assess(metric, answer);
      last.set(metric, { phase, reason: reasonOf(answer) });
      return [metric, phase];
    } catch (error) {
      if (!(error instanceof CallerError)) throw error;
      last.set(metric, { phase: 'Error', reason: `${metric.name} ${error.code}` });
      return [metric, 'Error'];
    }
  };
  for (;;) {
    const next = run.nextMs();
    if (next === undefined || next > startMs + maxRolloutMs) break;
    nowMs = next;
    run.advance(nowMs);
    follow();
    for (const { run: analysis, metrics } of run.due(nowMs)) {
      const measured: (readonly [GateMetric, MeasurementPhase])[] = [];
      for (const metric of metrics) measured.push(await ask(metric));
      analysis.record(measured, nowMs);
    }
    run.advance(nowMs);
    follow();
  }
  const endMs = nowMs;
  const end = run.phase === 'progressing' ? 'paused' : run.phase;
  // Nothing is counted after the end.
  traffic.setWeight(endMs, 0);
  const { failed, faultyRequests } = traffic.finish(endMs);
  const full = run.weights.find(({ weight }) => weight >= 95);
  const seconds = (ms: number) => Math.round((ms - startMs) / 1000);
  const fault = traffic.firstFaultMs;
  return {
    end,
    because: becauseOf(end, last),
    allTraffic: full === undefined ? null : seconds(full.atMs),
    done: seconds(endMs),
    sinceFault: fault === undefined || fault > endMs ? null : Math.round((endMs - fault) / 1000),
    failed,
    faultyRequests,
    questions,
  };
}

function becauseOf(
  end: Ending['end'],
  last: ReadonlyMap<GateMetric, { readonly phase: MeasurementPhase; readonly reason: string }>,
): readonly string[] {
  if (end === 'promoted') return [];
  const answers = [...last.values()];
  const wanted = end === 'aborted' ? (['Failed', 'Error'] as const) : (['Inconclusive'] as const);
  const found = answers.filter(({ phase }) => (wanted as readonly string[]).includes(phase));
  return [...new Set(found.map(({ reason }) => reason))].sort();
}
