/**
 * cuj-gate as a detector: the generated Rollout's background analysis asks the product's evaluator, which judges the simulated counts
 * under the built-in defaults of the registry. What depends on the product's rule is here and nowhere else: bucket width, lag and
 * window come with the query, the interval from the template.
 */
import type {
  MetricsSource,
  Series,
  ServiceCounts,
  SideCounts,
} from '../../src/domain/metrics/metrics-source.ts';
import type { GatePolicy, QueryBatch, Registry } from '../../src/domain/registry/model.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import type { GeneratedFile } from '../../src/generate/output/generated-file.ts';
import { registryOf } from '../domain/judge/journey.ts';
import { AnalysisRun } from '../simulate-rollouts/argo.ts';
import { assess, canarySpecOf, type GateMetric } from '../simulate-rollouts/manifest.ts';
import { answerOf, hashes } from '../simulate-rollouts/rollout.ts';
import { budget, endpoints } from './scenarios.ts';
import { arrivedBy, cellMs, type RolloutData, type Sums } from './traffic.ts';

const service = 'shop';

const registry: Registry = registryOf(
  JSON.stringify({
    apiVersion: 'cuj-gate/v1',
    services: {
      [service]: {
        env: 'production',
        operation: 'http.request',
        canary: 'version:{version}',
        stable: 'version:{stable_version}',
      },
    },
    cujs: [
      {
        name: 'checkout',
        owner: 'team-shop',
        tier: 1,
        service,
        slo: { availability: 100 * (1 - budget) },
        endpoints: endpoints.map(({ label }) => label),
      },
    ],
  }),
);

/** The metrics of the background analysis, as `cuj-gate generate` writes them. */
export const watchMetrics: readonly GateMetric[] = (() => {
  const options = { ...defaultAnalysisOptions, analysis: 'cujs' as const };
  const templates = analysisTemplates(registry, options).map(({ text }) => text);
  const [rollout] = rollouts(registry, options, service);
  const { background } = canarySpecOf((rollout as GeneratedFile).text, templates, hashes);
  if (background === undefined) throw new Error('the generated Rollout has no background analysis');
  return background.metrics;
})();

const batch = registry.batchOfService.get(service) as QueryBatch;

/** For how long before the canary the source may be asked. */
export const historyMs = batch.maxWindowMs + batch.lagMs + 5 * 60_000;

const policy = registry.cujs.get('checkout')?.gate as GatePolicy;

/** What the results are of: they change with the registry's defaults and the generated template. */
export const sample = { policy, metrics: watchMetrics };

/** How old what the gate sees is at least, and how often it is asked. */
export const lagMs = policy.lagMs;
export const intervalMs = watchMetrics[0]?.intervalMs as number;

const resources = [...(registry.cujs.get('checkout')?.endpoints ?? [])].map(({ resource }) => resource);

/** The counts that have arrived by now, in the buckets that are asked for. */
function sourceOf(data: RolloutData, now: () => number): MetricsSource {
  const columns = new Map<number, Map<Float64Array, Float64Array>>();
  /** All of a rollout's counts in buckets of some cells, so that an answer is a view of them. */
  const columnOf = (sums: Float64Array, cells: number): Float64Array => {
    const ofWidth = columns.get(cells) ?? new Map<Float64Array, Float64Array>();
    columns.set(cells, ofWidth);
    const known = ofWidth.get(sums);
    if (known !== undefined) return known;
    const column = Float64Array.from({ length: Math.floor((sums.length - 1) / cells) }, (_, i) => {
      return (sums[(i + 1) * cells] as number) - (sums[i * cells] as number);
    });
    ofWidth.set(sums, column);
    return column;
  };
  return {
    measure: async ({ fromMs, toMs, stepMs, stable }) => {
      const cells = stepMs / cellMs;
      const first = (fromMs - data.originMs) / stepMs;
      const end = (toMs - data.originMs) / stepMs;
      if (first < 0 || ![first, end, cells].every(Number.isInteger))
        throw new Error(`the simulation has no buckets of ${stepMs} ms from ${fromMs} to ${toMs}`);
      const arrived = arrivedBy(data, now());
      const cut = (sums: Float64Array) => {
        const whole = Math.min(end, Math.floor(arrived / cells));
        const column = columnOf(sums, cells);
        if (whole === end) return column.subarray(first, end);
        // The newest buckets have arrived in part, or not at all.
        const counts = new Float64Array(end - first);
        counts.set(column.subarray(first, whole));
        counts[whole - first] = (sums[arrived] as number) - (sums[whole * cells] as number);
        return counts;
      };
      const series = ({ total, bad }: Sums): Series => ({ total: cut(total), bad: cut(bad) });
      const sideOf = (side: 'canary' | 'stable'): SideCounts => ({
        whole: series(data.service[side]),
        requests: new Map(resources.map((resource, i) => [resource, series(endpointOf(data, i)[side])])),
        latency: new Map(),
      });
      const counts: ServiceCounts = {
        canary: sideOf('canary'),
        stable: sideOf('stable'),
        ...(stable === undefined ? {} : { allTraffic: cut(data.allTraffic) }),
      };
      return { fromMs, toMs, stepMs, services: new Map([[service, counts]]), queries: [] };
    },
  };
}

function endpointOf(data: RolloutData, index: number): RolloutData['endpoints'][number] {
  const found = data.endpoints[index];
  if (found === undefined) throw new Error(`the simulation has no endpoint ${index}`);
  return found;
}

/**
 * When the generated background analysis aborts the rollout, epoch ms; undefined where it does not until the end of the
 * data.
 */
export async function gateAbortMs(data: RolloutData): Promise<number | undefined> {
  let nowMs = data.startMs;
  const now = () => nowMs;
  const evaluator = createEvaluator({
    registry: () => registry,
    source: sourceOf(data, now),
    now,
  });
  const run = new AnalysisRun(watchMetrics, data.startMs);
  for (let next = run.nextMs(); next !== undefined && next <= data.endMs; next = run.nextMs()) {
    nowMs = next;
    const measured = [];
    for (const metric of run.due(nowMs))
      measured.push([metric, assess(metric, await answerOf(evaluator, metric))] as const);
    run.record(measured, nowMs);
    if (run.phase === 'Failed') return nowMs;
    if (run.phase !== 'Running') throw new Error(`the background analysis ended as ${run.phase}`);
  }
  return undefined;
}
