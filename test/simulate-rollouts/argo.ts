/**
 * What Argo Rollouts v1.10 does with a canary's steps and analyses, as a pure state machine over time: it never asks
 * anybody, and knows no clock. Sources: `analysis/analysis.go`, `rollout/analysis.go`, `rollout/canary.go`,
 * `rollout/trafficrouting.go` and `utils/evaluate/evaluate.go` of argoproj/argo-rollouts. Times are epoch ms.
 */

/** The result of one measurement. */
export type MeasurementPhase = 'Successful' | 'Failed' | 'Inconclusive' | 'Error';
export type RunPhase = 'Running' | MeasurementPhase;

/** Errors are retried at this interval, whatever the metric's own is (`DefaultErrorRetryInterval`). */
export const errorRetryMs = 10_000;

/** A metric of an analysis; undefined where the manifest does not set the field. */
export interface Metric {
  readonly name: string;
  readonly initialDelayMs: number | undefined;
  readonly intervalMs: number | undefined;
  readonly count: number | undefined;
  readonly consecutiveSuccessLimit: number | undefined;
  readonly failureLimit: number | undefined;
  readonly inconclusiveLimit: number | undefined;
  readonly consecutiveErrorLimit: number | undefined;
}

export type Step<M extends Metric> =
  | { readonly kind: 'setWeight'; readonly weight: number }
  /** Without a duration, the rollout waits for a person. */
  | { readonly kind: 'pause'; readonly durationMs: number | undefined }
  | { readonly kind: 'analysis'; readonly metrics: readonly M[] };

export interface CanarySpec<M extends Metric> {
  readonly steps: readonly Step<M>[];
  readonly background: { readonly startingStep: number; readonly metrics: readonly M[] } | undefined;
}

/** Metrics default to these limits (`utils/defaults`). */
const defaultLimits = { failure: 0, inconclusive: 0, consecutiveError: 4 } as const;

interface MetricState {
  phase: RunPhase;
  last: { readonly phase: MeasurementPhase; readonly atMs: number } | undefined;
  /** Measurements that are no errors. */
  count: number;
  failed: number;
  inconclusive: number;
  consecutiveError: number;
  consecutiveSuccess: number;
}

/** From best to worst. */
const order: readonly RunPhase[] = ['Successful', 'Running', 'Inconclusive', 'Error', 'Failed'];

function effectiveCount({ count, intervalMs }: Metric): number | undefined {
  if (count !== undefined && count !== 0) return count;
  return intervalMs === undefined ? 1 : undefined;
}

/** One AnalysisRun. */
export class AnalysisRun<M extends Metric> {
  readonly metrics: readonly M[];
  readonly #startedMs: number;
  readonly #states: Map<M, MetricState>;
  #terminated = false;
  #phase: RunPhase = 'Running';

  constructor(metrics: readonly M[], startedMs: number) {
    const names = new Set(metrics.map(({ name }) => name));
    if (names.size !== metrics.length)
      throw new Error(`an analysis has two metrics of one name: ${[...names].join(', ')}`);
    this.metrics = metrics;
    this.#startedMs = startedMs;
    this.#states = new Map(
      metrics.map((metric) => [
        metric,
        {
          phase: 'Running',
          last: undefined,
          count: 0,
          failed: 0,
          inconclusive: 0,
          consecutiveError: 0,
          consecutiveSuccess: 0,
        },
      ]),
    );
  }

  get phase(): RunPhase {
    return this.#phase;
  }

  phaseOf(metric: M): RunPhase {
    return this.#state(metric).phase;
  }

  /** When a metric is measured next; undefined where it never is. */
  #nextOf(metric: M): number | undefined {
    const { phase, last, count } = this.#state(metric);
    if (phase !== 'Running' || this.#phase !== 'Running') return undefined;
    if (last === undefined) return this.#startedMs + (metric.initialDelayMs ?? 0);
    const most = effectiveCount(metric);
    if (most !== undefined && count >= most) return undefined;
    return last.atMs + (last.phase === 'Error' ? errorRetryMs : (metric.intervalMs ?? errorRetryMs));
  }

  nextMs(): number | undefined {
    let next: number | undefined;
    for (const metric of this.metrics) {
      const at = this.#nextOf(metric);
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  /** The metrics that have to be measured now, all at the same time. */
  due(nowMs: number): readonly M[] {
    return this.metrics.filter((metric) => {
      const at = this.#nextOf(metric);
      return at !== undefined && at <= nowMs;
    });
  }

  /** Takes the measurements that were due, and assesses the run. */
  record(measured: readonly (readonly [metric: M, phase: MeasurementPhase])[], atMs: number): void {
    if (this.#phase !== 'Running') return;
    for (const [metric, phase] of measured) {
      const state = this.#state(metric);
      state.last = { phase, atMs };
      if (phase === 'Error') {
        state.consecutiveError += 1;
        state.consecutiveSuccess = 0;
        continue;
      }
      state.count += 1;
      state.consecutiveError = 0;
      state.consecutiveSuccess = phase === 'Successful' ? state.consecutiveSuccess + 1 : 0;
      if (phase === 'Failed') state.failed += 1;
      if (phase === 'Inconclusive') state.inconclusive += 1;
    }
    this.#assess();
  }

  /** The steps have ended, or the rollout was aborted: what has not reached a limit by now is Successful. */
  terminate(): void {
    this.#terminated = true;
    this.#assess();
  }

  #state(metric: M): MetricState {
    return this.#states.get(metric) as MetricState;
  }

  #assess(): void {
    if (this.#phase !== 'Running') return;
    for (const [metric, state] of this.#states) assessMetric(metric, state, this.#terminated);
    // A metric that is not Successful ends the others as well.
    const ended = [...this.#states.values()].some(({ phase }) => order.indexOf(phase) > 1);
    if (ended) for (const [metric, state] of this.#states) assessMetric(metric, state, true);
    const phases = [...this.#states.values()].map(({ phase }) => phase);
    if (phases.includes('Running')) return;
    this.#phase = phases.reduce(
      (worst, phase) => (order.indexOf(phase) > order.indexOf(worst) ? phase : worst),
      'Successful',
    );
  }
}

/** `assessMetricStatus` of analysis.go. */
function assessMetric(metric: Metric, state: MetricState, terminating: boolean): void {
  if (state.phase !== 'Running') return;
  if (state.last === undefined) {
    if (terminating) state.phase = 'Successful';
    return;
  }
  let phase: RunPhase = 'Running';
  const failureLimit = metric.failureLimit ?? defaultLimits.failure;
  // The last one of the three that applies counts. A negative failureLimit never does.
  if (failureLimit >= 0 && state.failed > failureLimit) phase = 'Failed';
  if (state.inconclusive > (metric.inconclusiveLimit ?? defaultLimits.inconclusive)) phase = 'Inconclusive';
  if (state.consecutiveError > (metric.consecutiveErrorLimit ?? defaultLimits.consecutiveError))
    phase = 'Error';
  const wanted = metric.consecutiveSuccessLimit ?? 0;
  const most = effectiveCount(metric);
  if (phase === 'Running' && wanted > 0 && state.consecutiveSuccess >= wanted) phase = 'Successful';
  if (phase === 'Running' && most !== undefined && state.count >= most) {
    if (wanted <= 0) phase = 'Successful';
    else phase = failureLimit >= 0 ? 'Inconclusive' : 'Failed';
  }
  if (phase === 'Running' && terminating) phase = 'Successful';
  state.phase = phase;
}

export type RolloutPhase =
  | 'progressing'
  /** All steps are done, and the canary is the new stable. */
  | 'promoted'
  /** All traffic is stable's again. */
  | 'aborted'
  /** The rollout waits for a person, with the weights as they are. */
  | 'paused';

/** A measurement that has to be taken now. */
export interface Due<M extends Metric> {
  readonly run: AnalysisRun<M>;
  readonly metrics: readonly M[];
}

/** One release of a Rollout with traffic routing. Drive it with nextMs, advance, due and the run's record. */
export class RolloutRun<M extends Metric> {
  readonly #spec: CanarySpec<M>;
  /** How long new pods take until they are ready. */
  readonly #podStartMs: number;
  #index = 0;
  #weight = 0;
  #stepStartedMs: number;
  #nowMs: number;
  #phase: RolloutPhase = 'progressing';
  #stepRun: AnalysisRun<M> | undefined;
  #background: AnalysisRun<M> | undefined;
  /** Every change of the canary's weight, 0 to 100. */
  readonly weights: { readonly atMs: number; readonly weight: number }[] = [];

  constructor(spec: CanarySpec<M>, startMs: number, podStartMs: number) {
    this.#spec = spec;
    this.#podStartMs = podStartMs;
    this.#stepStartedMs = startMs;
    this.#nowMs = startMs;
    this.advance(startMs);
  }

  get phase(): RolloutPhase {
    return this.#phase;
  }

  get weight(): number {
    return this.#weight;
  }

  /** When something happens next; undefined where the rollout is at its end. */
  nextMs(): number | undefined {
    if (this.#phase !== 'progressing') return undefined;
    const times = [this.#stepEndMs(), this.#stepRun?.nextMs(), this.#background?.nextMs()].filter(
      (at) => at !== undefined,
    );
    // A run with nothing left to measure and no end cannot be: its assessment ends it.
    return Math.max(this.#nowMs, Math.min(...times));
  }

  /** The measurements that have to be taken now. */
  due(nowMs: number): readonly Due<M>[] {
    if (this.#phase !== 'progressing') return [];
    return [this.#stepRun, this.#background].flatMap((run) => {
      const metrics = run?.due(nowMs) ?? [];
      return run === undefined || metrics.length === 0 ? [] : [{ run, metrics }];
    });
  }

  /** Does everything that the controller would have done by now. Call it after measurements were recorded as well. */
  advance(nowMs: number): void {
    this.#nowMs = nowMs;
    while (this.#phase === 'progressing' && this.#reconcile()) {}
  }

  /** When the current step ends by itself; undefined where an analysis or a person decides. */
  #stepEndMs(): number | undefined {
    const step = this.#spec.steps[this.#index];
    if (step === undefined || step.kind === 'setWeight') {
      // Traffic is shifted when the pods for it are ready. The last pods of all are those of the full scale.
      const isScaleUp = (step?.weight ?? 100) > this.#weight;
      return this.#stepStartedMs + (isScaleUp ? this.#podStartMs : 0);
    }
    if (step.kind === 'pause' && step.durationMs !== undefined) return this.#stepStartedMs + step.durationMs;
    return undefined;
  }

  /** One round of the controller; false where nothing changed. */
  #reconcile(): boolean {
    const step = this.#spec.steps[this.#index];
    const { background } = this.#spec;
    let changed = false;
    if (step?.kind === 'analysis' && this.#stepRun === undefined && step.metrics.length > 0) {
      this.#stepRun = new AnalysisRun(step.metrics, this.#nowMs);
      changed = true;
    }
    if (
      background !== undefined &&
      background.metrics.length > 0 &&
      this.#background === undefined &&
      this.#index >= background.startingStep
    ) {
      this.#background = new AnalysisRun(background.metrics, this.#nowMs);
      changed = true;
    }
    const phases = [this.#stepRun?.phase, this.#background?.phase];
    if (phases.includes('Failed') || phases.includes('Error')) {
      this.#setWeight(0);
      this.#end('aborted');
      return true;
    }
    if (phases.includes('Inconclusive')) {
      this.#end('paused');
      return true;
    }
    if (step?.kind === 'pause' && step.durationMs === undefined) {
      this.#end('paused');
      return true;
    }
    const endMs = this.#stepEndMs();
    const isDone =
      step?.kind === 'analysis'
        ? step.metrics.length === 0 || this.#stepRun?.phase === 'Successful'
        : endMs !== undefined && endMs <= this.#nowMs;
    if (!isDone) return changed;
    if (step === undefined) {
      this.#setWeight(100);
      this.#end('promoted');
      return true;
    }
    if (step.kind === 'setWeight') this.#setWeight(step.weight);
    this.#index += 1;
    this.#stepStartedMs = this.#nowMs;
    this.#stepRun = undefined;
    return true;
  }

  #setWeight(weight: number): void {
    if (weight === this.#weight) return;
    this.#weight = weight;
    this.weights.push({ atMs: this.#nowMs, weight });
  }

  #end(phase: RolloutPhase): void {
    this.#phase = phase;
    // Where a person is waited for, the background analysis goes on; it is no longer simulated.
    if (phase !== 'paused') for (const run of [this.#stepRun, this.#background]) run?.terminate();
  }
}
