import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CanarySpec, type MeasurementPhase, RolloutRun } from '../../simulate-rollouts/argo.ts';
import { assess, canarySpecOf, type GateMetric } from '../../simulate-rollouts/manifest.ts';
import { type KubeObject, kinds, type Loose } from '../kube.ts';
import { deploy, type Release } from '../release.ts';
import { rolloutPhase, setImage } from '../rollouts.ts';
import type { ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { type Figure, shown } from './figures.ts';
import type { End, Observer } from './observer.ts';
import { type Script, scriptedCujs, scriptedRegistry, scriptedTimes } from './scripts.ts';
import { Together } from './together.ts';

/** Part C: the model of Argo Rollouts in test/simulate-rollouts against the real controller, with the same answers. */

/** How one rollout went, by the model or by the controller. Times are seconds after its start. */
export interface Course {
  readonly end: End | 'progressing';
  readonly endS: number;
  /** The canary's weights, until 0 or 100. */
  readonly weights: readonly { readonly weight: number; readonly atS: number }[];
  /** When each metric was measured, by `watch/signup`. */
  readonly measured: ReadonlyMap<string, readonly number[]>;
}

export interface Comparison {
  readonly script: Script;
  readonly model: Course;
  readonly real: Course;
  /** What differs, and times by more than {@link toleranceS}; empty where nothing does. */
  readonly differences: readonly string[];
  /** The greatest difference of a time between two things that follow each other, s. */
  readonly worstS: number;
}

/**
 * Between two things that follow each other. Kubernetes keeps times in whole seconds, the controller works off a queue, and pods,
 * weights and ends are looked at a few times a second.
 */
export const toleranceS = 4;

const longestMs = 150_000;
const staggerMs = 500;
/** The end-to-end cluster's pods are ready at once, in the model as well. */
const podStartMs = 500;

/** The answer of a measurement, as the gate would send it. */
function answerOf(letter: string): { readonly status: number; readonly body: object } {
  const answers: Readonly<Record<string, { status: number; body: object }>> = {
    P: { status: 200, body: { summary: 'PASS signup (within_slo): scripted' } },
    F: { status: 200, body: { summary: 'FAIL signup (slo_violated): scripted' } },
    I: { status: 200, body: { summary: 'INCONCLUSIVE signup (within_noise): scripted' } },
    N: { status: 200, body: { verdict: 'pass' } },
    E: { status: 503, body: { error: 'scripted' } },
  };
  const answer = answers[letter];
  if (answer === undefined) throw new Error(`no answer is called ${letter}`);
  return answer;
}

/** Hands out the letters of a script, one for each measurement of a metric. */
function lettersOf(script: Script): (key: string) => string {
  const asked = new Map<string, number>();
  return (key) => {
    const [use, cuj] = key.split('/') as ['watch' | 'gate', string];
    const letters = script[use]?.[cuj] ?? 'P';
    const count = asked.get(key) ?? 0;
    asked.set(key, count + 1);
    return letters.at(Math.min(count, letters.length - 1)) ?? 'P';
  };
}

/** What the model makes of a script. */
function modelled(spec: CanarySpec<GateMetric>, script: Script): Course {
  const next = lettersOf(script);
  const measured = new Map<string, number[]>();
  const run = new RolloutRun(spec, 0, podStartMs);
  let nowMs = 0;
  const ask = (metric: GateMetric): readonly [GateMetric, MeasurementPhase] => {
    const key = metric.path.slice(1);
    measured.set(key, [...(measured.get(key) ?? []), nowMs / 1000]);
    const { status, body } = answerOf(next(key));
    return [metric, status === 200 ? assess(metric, body) : 'Error'];
  };
  for (let at = run.nextMs(); at !== undefined && at <= longestMs; at = run.nextMs()) {
    nowMs = at;
    run.advance(nowMs);
    for (const { run: analysis, metrics } of run.due(nowMs)) analysis.record(metrics.map(ask), nowMs);
    run.advance(nowMs);
  }
  return {
    end: run.phase,
    endS: nowMs / 1000,
    weights: run.weights.map(({ atMs, weight }) => ({ weight, atS: atMs / 1000 })),
    measured,
  };
}

/** Runs all scripts at once, each in a namespace of its own, on the real controller and in the model. */
export async function compareAll(
  context: ScenarioContext,
  observer: Observer,
  scripts: readonly Script[],
): Promise<Comparison[]> {
  const together = new Together(scripts.length, 3);
  return Promise.all(
    scripts.map(async (script, i) => {
      const { kube, onEnd } = context;
      const namespace = `${context.namespace}-${script.name}`;
      await kube.apply({ ...kinds.Namespace, metadata: { name: namespace } });
      for (const kind of [kinds.Rollout, kinds.AnalysisRun]) onEnd(() => kube.deleteAll(kind, namespace));
      const own = { ...context, namespace, dir: path.join(context.dir, script.name) };
      const scripted = await together.prepared(() => prepare(own, script));
      // Rollouts that begin at once use up the controller's rate limit at the API server.
      await sleep(i * staggerMs);
      return compare(own, observer, script, scripted);
    }),
  );
}

interface Scripted {
  readonly release: Release;
  /** What was generated, as it was applied. */
  readonly manifests: readonly KubeObject[];
  /** The measurements so far. */
  readonly asked: readonly { readonly key: string; readonly atMs: number }[];
}

async function prepare(context: ScenarioContext, script: Script): Promise<Scripted> {
  mkdirSync(context.dir, { recursive: true });
  const registry = path.join(context.dir, 'cujs.yaml');
  writeFileSync(registry, scriptedRegistry);
  const next = lettersOf(script);
  const asked: { key: string; atMs: number }[] = [];
  const gateUrl = await serve(context, (key) => {
    asked.push({ key, atMs: Date.now() });
    return answerOf(next(key));
  });
  let manifests: KubeObject[] = [];
  const release = await deploy(context, {
    ...{ registry, gateUrl, service: 'member-api', times: scriptedTimes },
    ...{ pause: script.pause ?? '8s', bake: script.bake ?? '8s' },
    edit: (objects) => {
      tellApart(objects, gateUrl);
      manifests = objects;
    },
  });
  return { release, manifests, asked };
}

async function compare(
  { kube, onEnd }: ScenarioContext,
  observer: Observer,
  script: Script,
  { release, manifests, asked }: Scripted,
): Promise<Comparison> {
  const startMs = Date.now();
  await setImage(kube, release, 'v1.1.0');
  const { canaryHash } = await waitFor(() => rolloutPhase(kube, release), {
    what: 'a canary',
    timeoutMs: 30_000,
    everyMs: 50,
    until: (now) => now.canaryHash !== '' && now.canaryHash !== release.stableHash,
  });
  const observed = observer.follow(release, canaryHash);
  onEnd(() => observer.forget(release));
  const end = await waitFor(() => observed.end, {
    what: `the end of ${script.name}`,
    timeoutMs: longestMs,
  });
  assert.ok(end !== undefined);
  const isBack = () => end.kind !== 'aborted' || observed.weights.at(-1)?.weight === 0;
  await waitFor(isBack, { what: "the canary's weight to be 0 again", timeoutMs: 30_000 });

  const seconds = (ms: number) => (ms - startMs) / 1000;
  const measured = new Map<string, number[]>();
  for (const { key, atMs } of asked)
    if (atMs <= end.atMs) measured.set(key, [...(measured.get(key) ?? []), seconds(atMs)]);
  const real: Course = {
    end: end.kind,
    endS: seconds(end.atMs),
    weights: observed.weights
      // After a promotion the canary is stable, and the next canary has no weight yet.
      .filter(({ weight }) => end.kind !== 'promoted' || weight > 0)
      .map(({ atMs, weight }) => ({ weight, atS: seconds(atMs) })),
    measured,
  };
  const ofKind = (wanted: string) =>
    manifests.filter(({ kind }) => kind === wanted).map((object) => JSON.stringify(object));
  const hashes = { Latest: canaryHash, Stable: release.stableHash };
  const spec = canarySpecOf(ofKind('Rollout')[0] ?? '', ofKind('AnalysisTemplate'), hashes);
  const model = modelled(spec, script);
  return { script, model, real, ...differencesOf(model, real) };
}

async function serve(
  { onEnd }: ScenarioContext,
  answer: (key: string) => { readonly status: number; readonly body: object },
): Promise<string> {
  const server = createServer((request, response) => {
    const { status, body } = answer((request.url ?? '').slice(1));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Watch and gate ask the gate the same; here, each metric has a path of its own. */
function tellApart(objects: readonly KubeObject[], gateUrl: string): void {
  for (const { kind, metadata, spec } of objects) {
    if (kind !== 'AnalysisTemplate') continue;
    const cuj = scriptedCujs.find((name) => metadata.name.startsWith(`cuj-${name}-`));
    const use = metadata.name.endsWith('-watch') ? 'watch' : 'gate';
    for (const metric of spec.metrics as Loose[]) metric.provider.web.url = `${gateUrl}/${use}/${cuj}`;
  }
}

interface Moment {
  readonly what: string;
  readonly atS: number;
}

/**
 * What happens one after another: the weights with the end, and the measurements of each metric after the first weight. The time
 * between two of them is compared, so that a busy machine that delays each of them by a second is no difference.
 */
function sequencesOf({ end, endS, weights, measured }: Course): Map<string, Moment[]> {
  const first = weights[0]?.atS ?? 0;
  const start = { what: 'first weight', atS: first };
  return new Map([
    [
      'weights',
      [...weights.map(({ weight, atS }) => ({ what: `${weight}%`, atS })), { what: end, atS: endS }].sort(
        // Argo sets the weight to 0 about when the rollout is seen to be aborted.
        (one, other) => Number(one.what === end) - Number(other.what === end),
      ),
    ],
    ...[...measured].map(
      ([key, times]) =>
        [key, [start, ...times.map((atS, i) => ({ what: `measurement ${i + 1}`, atS }))]] as [
          string,
          Moment[],
        ],
    ),
  ]);
}

function differencesOf(model: Course, real: Course): Pick<Comparison, 'differences' | 'worstS'> {
  const differences: string[] = [];
  let worstS = 0;
  const [ours, theirs] = [sequencesOf(model), sequencesOf(real)];
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const [one, other] = [ours.get(key) ?? [], theirs.get(key) ?? []];
    const both = Math.min(one.length, other.length);
    for (let i = 0; i < both; i += 1) {
      const [modelled, seen] = [one[i] as Moment, other[i] as Moment];
      if (modelled.what !== seen.what) {
        differences.push(`${key}: model ${modelled.what}, controller ${seen.what}`);
        break;
      }
      const [modelS, realS] = [one, other].map((all) => (all[i]?.atS ?? 0) - (all[i - 1]?.atS ?? 0)) as [
        number,
        number,
      ];
      // Where measurements begin to be counted is a weight, which is compared as such.
      if (key !== 'weights' && i === 0) continue;
      worstS = Math.max(worstS, Math.abs(modelS - realS));
      if (Math.abs(modelS - realS) > toleranceS)
        differences.push(
          `${key}, ${modelled.what}: model ${shownS(modelS)} after the one before, controller ${shownS(realS)}`,
        );
    }
    if (one.length === other.length) continue;
    const [longer, shorter, shorterEndS] =
      one.length > other.length ? [one, other, real.endS] : [other, one, model.endS];
    // The rollout had ended by the time of the next measurement, or would have, but for the tolerance.
    const nextS =
      (shorter.at(-1)?.atS ?? 0) + (longer[both]?.atS ?? 0) - (longer[both - 1]?.atS ?? 0) + toleranceS;
    if (key === 'weights' || longer.length > both + 1 || nextS < shorterEndS)
      differences.push(`${key}: model ${one.length - 1} measurements, controller ${other.length - 1}`);
  }
  return { differences, worstS };
}

const shownS = (value: number | undefined) => (value === undefined ? 'none' : `${value.toFixed(1)} s`);

/** Both courses below each other. */
export function comparisonText({ script, model, real, differences, worstS }: Comparison): string {
  const line = (name: string, { end, endS, weights, measured }: Course) => {
    const changes = weights.map(({ weight, atS }) => `${weight}% at ${atS.toFixed(1)}`).join(', ');
    const counts = [...measured]
      .sort(([one], [other]) => one.localeCompare(other))
      .map(([key, times]) => `${key} ${times.length}`)
      .join(', ');
    return `  ${name} ${end} at ${endS.toFixed(1)} s; weights ${changes}; measurements ${counts}`;
  };
  return [
    `${differences.length === 0 ? 'same  ' : 'DIFFER'} ${script.name}: ${script.what} (steps differ by at most ${worstS.toFixed(1)} s)`,
    line('model     ', model),
    line('controller', real),
    ...differences.map((difference) => `  differs in ${difference}`),
  ].join('\n');
}

/** The lines of the table. */
export function modelFigures(count: number, comparisons: readonly Comparison[]): Figure[] {
  const same = comparisons.filter(({ differences }) => differences.length === 0).length;
  const worst = Math.max(0, ...comparisons.map(({ worstS }) => worstS));
  return [
    {
      what: `the model of Argo Rollouts: same end, weights and measurements, each step within ${toleranceS} s`,
      measured: `${same} of ${count}`,
      wanted: `${count} of ${count}`,
      met: same === count,
    },
    shown('  greatest difference of a step', `${worst.toFixed(1)} s`),
  ];
}
