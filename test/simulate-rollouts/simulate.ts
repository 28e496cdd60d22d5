/** Simulates the rollouts of a cell. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { diurnal } from '../../src/demo/datadog/journeys.ts';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import { type SizedSteps, sampleSteps, sampleWaitMinutes } from '../../src/generate/argo/sized-steps.ts';
import type { GeneratedFile } from '../../src/generate/output/generated-file.ts';
import { stepSizes } from '../../src/plan/step-sizes.ts';
import { assumedTraffic, slisOfServices } from '../../src/plan/subjects.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { type CanarySpec, RolloutRun } from './argo.ts';
import { canarySpecOf, type GateMetric } from './manifest.ts';
import { type Cell, type Hour, hours, releases } from './releases.ts';
import { type Ending, hashes, podStartMs, simulateRollout } from './rollout.ts';
import { type Route, routesOf } from './traffic.ts';

/** The registry of the repository, and the Rollouts that are generated from it. */
export interface Setup {
  readonly registry: Registry;
  readonly services: ReadonlyMap<string, ReleasedService>;
  /** SHA-256 over the steps and metrics of all Rollouts: results are of this sample. */
  readonly sample: string;
}

interface ReleasedService {
  readonly spec: CanarySpec<GateMetric>;
  readonly nominal: Nominal;
  readonly routes: readonly Route[];
}

export interface SetupOptions {
  /** Only availability objectives are judged. */
  readonly availabilityOnly: boolean;
  /** The templates of the sample: one for each CUJ, or the service's. */
  readonly analysis: 'cujs' | 'service';
  /** Another registry than config/cujs.yaml. */
  readonly registry?: string;
  /** Of the generated gates, where they are not the defaults. */
  readonly count?: number;
  readonly passes?: number;
  /** Requests per second of the app whose traffic the steps are sized to; absent: the sample. */
  readonly sizedFor?: number;
}

const registryPath = fileURLToPath(new URL('../../config/cujs.yaml', import.meta.url));

/** Loads a registry and generates what `cuj-gate generate` would. Throws where the registry is invalid. */
export async function setUp(setupOptions: SetupOptions): Promise<Setup> {
  const { availabilityOnly, analysis, registry: path = registryPath, sizedFor, ...gate } = setupOptions;
  const loaded = await loadRegistry(path);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const registry = availabilityOnly ? withoutLatency(loaded.registry) : loaded.registry;
  const made = { ...defaultAnalysisOptions, ...gate, analysis };
  const options =
    sizedFor === undefined
      ? made
      : { ...made, steps: sizedSteps(registry, sizedFor, sampleWaitMinutes(made)) };
  const templates = analysisTemplates(registry, options).map(({ text }) => text);
  const services = [...new Set([...registry.cujs.values()].flatMap((cuj) => cuj.services))].sort();
  const released = services.map((service) => {
    const [rollout] = rollouts(registry, options, service);
    const spec = canarySpecOf((rollout as GeneratedFile).text, templates, hashes);
    return [service, { spec, nominal: nominalOf(spec), routes: routesOf(registry, service) }] as const;
  });
  const specs = released.map(([service, { spec }]) => [service, spec]);
  return { registry, services: new Map(released), sample: digestOf(specs) };
}

/** What `generate --measure-traffic` would size to: the mean and the quietest hour of the app's day. */
function sizedSteps(
  registry: Registry,
  requestsPerSecond: number,
  waitMinutes: number,
): ReadonlyMap<string, SizedSteps> {
  const subjects = slisOfServices(registry).map((of) => {
    const resources = new Set(of.cuj.endpoints.map(({ service, resource }) => `${service} ${resource}`));
    const unit = routesOf(registry, of.service.name)
      .filter(({ resource }) => resources.has(`${of.service.name} ${resource}`))
      .reduce((sum, route) => sum + route.unit, 0);
    const level = (hour: Hour) =>
      unit * 60_000 * requestsPerSecond * diurnal(midnight + hours[hour] * 3_600_000);
    const [median, quietest] = [level('mean'), level('quietest')];
    return { ...assumedTraffic(of, median), levels: { median, quietest } };
  });
  return new Map(
    [...registry.services.keys()].flatMap((name) => {
      const sizes = stepSizes(
        subjects.filter(({ service }) => service.name === name),
        { ...sampleSteps, waitMinutes },
      );
      return sizes === undefined ? [] : [[name, sizes] as const];
    }),
  );
}

/** `sha256:` and the digest of a value's JSON. */
export function digestOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(value)).digest('hex')}`;
}

function withoutLatency(registry: Registry): Registry {
  const cujs = [...registry.cujs.values()].map((cuj) => {
    const { latency: _, ...objectives } = cuj.objectives;
    return [cuj.name, { ...cuj, objectives }] as const;
  });
  return { ...registry, cujs: new Map(cujs) };
}

/** The weights of a rollout in which every measurement passes. */
interface Nominal {
  /** Milliseconds of all traffic that the canary gets. */
  readonly canaryMs: number;
  readonly fullTrafficMs: number;
}

export function nominalOf(spec: CanarySpec<GateMetric>): Nominal {
  const run = new RolloutRun(spec, 0, podStartMs);
  let nowMs = 0;
  for (let next = run.nextMs(); next !== undefined; next = run.nextMs()) {
    nowMs = next;
    run.advance(nowMs);
    for (const { run: analysis, metrics } of run.due(nowMs))
      analysis.record(
        metrics.map((metric) => [metric, 'Successful'] as const),
        nowMs,
      );
    run.advance(nowMs);
  }
  let canaryMs = 0;
  let fullTrafficMs = 0;
  run.weights.forEach(({ atMs, weight }, i) => {
    const ms = (run.weights[i + 1]?.atMs ?? nowMs) - atMs;
    canaryMs += (ms * weight) / 100;
    if (weight >= 95) fullTrafficMs += ms;
  });
  return { canaryMs, fullTrafficMs };
}

/** Every rollout has random numbers of its own, so that it ends the same whatever else is simulated, and wherever. */
function randomOf(seed: number, { release, service, requestsPerSecond, hour }: Cell, run: number) {
  const text = `${seed} ${release} ${service} ${requestsPerSecond} ${hour} ${run}`;
  return seededRandom(createHash('sha256').update(text).digest().readUInt32LE(0));
}

const midnight = Date.UTC(2026, 0, 31);

/** Simulates one rollout of a cell; undefined where there is no such release in it. */
export function simulateOne(
  setup: Setup,
  cell: Cell,
  run: number,
  seed: number,
): Promise<Ending> | undefined {
  const release = releases.find(({ id }) => id === cell.release);
  const released = setup.services.get(cell.service);
  if (release === undefined || released === undefined)
    throw new Error(`there is no release ${cell.release} of ${cell.service}`);
  const { spec, nominal, routes } = released;
  const random = randomOf(seed, { ...cell, release: release.comparedWith ?? cell.release }, run);
  const hourMs = midnight + hours[cell.hour] * 3_600_000;
  const startMs = hourMs + Math.floor(random.next() * 60_000);
  const truth = release.truth({
    registry: setup.registry,
    service: cell.service,
    run,
    random,
    fullTrafficMs: nominal.fullTrafficMs,
    expected: (resource) => {
      const unit = routes.find((route) => route.resource === resource)?.unit ?? 0;
      return unit * cell.requestsPerSecond * diurnal(hourMs) * nominal.canaryMs;
    },
  });
  if (truth === undefined) return undefined;
  const { registry } = setup;
  const { service, requestsPerSecond } = cell;
  return simulateRollout(spec, { registry, service, requestsPerSecond, startMs, random, truth });
}

/** Simulates the rollouts of a cell; none where there is no such release in it. */
export async function simulateCell(setup: Setup, cell: Cell, runs: number, seed: number): Promise<Ending[]> {
  const endings: Ending[] = [];
  for (let run = 0; run < runs; run += 1) {
    const ending = await simulateOne(setup, cell, run, seed);
    if (ending === undefined) return [];
    endings.push(ending);
  }
  return endings;
}
