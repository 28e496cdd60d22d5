/**
 * `npm run e2e:reach [-- --runs 20 --only a,b,c]`: what the gate reaches on the real controller, in real time and with
 * Datadog's data as late as agents send it.
 */
import { parseArgs } from 'node:util';
import { type Cluster, startCluster } from '../cluster.ts';
import { ensureDebian } from '../debian.ts';
import { buildGate } from '../gate-program.ts';
import { keepLogs, logs, removeOldLogs } from '../logs.ts';
import { leaveNothingBehind, removeTemporary, stopEverything, temporaryFolder } from '../mortal.ts';
import { clusterProducts, ensurePrograms, type Programs, rolloutsVersions } from '../programs.ts';
import { runScenario } from '../run-scenario.ts';
import type { Scenario } from '../scenario.ts';
import {
  type Abort,
  brokenFigures,
  brokenRelease,
  type Fault,
  faults,
  prometheusFault,
  secondsOf,
  timelineText,
} from './broken.ts';
import { type Figure, figuresText } from './figures.ts';
import { type Ending, goodFigures, goodReleases, goodText } from './good.ts';
import { loadExample } from './live-release.ts';
import { type Comparison, compareAll, comparisonText, modelFigures } from './model.ts';
import { Observer } from './observer.ts';
import { scripts } from './scripts.ts';
import { Together } from './together.ts';

const usage = `npm run e2e:reach -- [options]

  --only PARTS   of a,b,c,d (default: all)
                   a  bad releases: the time until the AnalysisRun has failed, and the failed requests until then
                   b  good releases: how many go through without a person
                   c  the model of npm run simulate:rollouts against the controller
                   d  as a, over a real Prometheus that scrapes every 15 s
  --runs N       of each kind of release in a, b and d (default 20)`;

const parts = ['a', 'b', 'c', 'd'] as const;
type Part = (typeof parts)[number];

/** More worlds at once than this, and the machine would be what is measured: each has a gate and a Datadog. */
const worldsAtOnce = 20;
/** Each has a Prometheus as well. */
const prometheusWorldsAtOnce = 10;
const preparedAtOnce = 3;
/** The begins of the releases are spread over this, so that they meet every phase of buckets and minutes. */
const spreadMs = 60_000;

async function main(): Promise<number> {
  const options = parse();
  if (options === undefined) return 0;
  leaveNothingBehind();
  ensureDebian(['etcd-server', ...(options.only.includes('d') ? (['prometheus'] as const) : [])]);
  const version = rolloutsVersions[0];
  const programs = await ensurePrograms(clusterProducts(version));
  const gateProgram = await buildGate(`${temporaryFolder()}/gate`);
  removeOldLogs();
  const dir = temporaryFolder();
  const started = Date.now();
  const cluster = await startCluster({ programs, dir, rolloutsVersion: version });
  console.log(`Argo Rollouts ${version} answers`);
  const observer = new Observer(cluster.kube);
  const stage = new Stage({ cluster, programs, gateProgram, dir });
  const figures: Figure[] = [];
  if (options.only.includes('c')) figures.push(...(await partC(stage, observer)));
  if (options.only.includes('a')) figures.push(...(await partA(stage, observer, options.runs)));
  if (options.only.includes('b')) figures.push(...(await partB(stage, observer, options.runs)));
  if (options.only.includes('d')) figures.push(...(await partD(stage, observer, options.runs)));
  await observer.stop();
  await cluster.stop();
  if (stage.failures.length > 0) {
    keepLogs(dir, version);
    console.log(`\n${stage.failures.join('\n\n')}\n\nlogs: ${logs}`);
  }
  removeTemporary(dir);
  console.log(`\n${figuresText(figures)}\n\ntook ${Math.round((Date.now() - started) / 60_000)} min`);
  return figures.every(({ met }) => met) ? 0 : 1;
}

/** Runs scenarios of this run and collects why they failed. */
class Stage {
  readonly failures: string[] = [];
  readonly #surroundings: { cluster: Cluster; programs: Programs; gateProgram: string; dir: string };

  constructor(surroundings: { cluster: Cluster; programs: Programs; gateProgram: string; dir: string }) {
    this.#surroundings = surroundings;
  }

  async run(scenario: Scenario): Promise<void> {
    const { failure } = await runScenario(scenario, { ...this.#surroundings, keep: false });
    if (failure !== undefined) this.failures.push(`${scenario.name}:\n${failure.replace(/^/gm, '  ')}`);
  }

  /** Runs so many worlds, as many at once as the machine bears. */
  async worlds(
    runs: number,
    scenarioOf: (run: number, delayMs: number, together: Together) => Scenario,
    atOnce = worldsAtOnce,
  ): Promise<void> {
    for (let first = 0; first < runs; first += atOnce) {
      const count = Math.min(atOnce, runs - first);
      const together = new Together(count, preparedAtOnce);
      await Promise.all(
        Array.from({ length: count }, (_, i) =>
          this.run(scenarioOf(first + i + 1, (i * spreadMs) / count, together)),
        ),
      );
    }
  }
}

async function partA(stage: Stage, observer: Observer, runs: number): Promise<Figure[]> {
  const registry = await loadExample();
  const figures: Figure[] = [];
  for (const fault of faults) {
    console.log(`\na: ${runs} releases in which ${fault.title}`);
    const aborts: Abort[] = [];
    await stage.worlds(runs, (run, delayMs, together) =>
      brokenRelease({
        ...{ fault, registry, run, delayMs, together, observer },
        onAbort: (abort) => aborts.push(abort),
      }),
    );
    figures.push(...abortFigures(fault, runs, aborts));
  }
  return figures;
}

async function partD(stage: Stage, observer: Observer, runs: number): Promise<Figure[]> {
  const registry = await loadExample('prometheus');
  console.log(`\nd: ${runs} releases in which, ${prometheusFault.title}`);
  const aborts: Abort[] = [];
  await stage.worlds(
    runs,
    (run, delayMs, together) =>
      brokenRelease({
        ...{ fault: prometheusFault, registry, run, delayMs, together, observer, backend: 'prometheus' },
        onAbort: (abort) => aborts.push(abort),
      }),
    prometheusWorldsAtOnce,
  );
  return abortFigures(prometheusFault, runs, aborts);
}

/** Prints the times of aborts, and where the seconds of the median and of the slowest went. */
function abortFigures(fault: Fault, runs: number, aborts: Abort[]): Figure[] {
  aborts.sort((one, other) => secondsOf(one) - secondsOf(other));
  console.log(
    `s until the AnalysisRun has failed: ${aborts.map((abort) => secondsOf(abort).toFixed(1)).join(' ')}`,
  );
  const shownOnes = new Set([aborts[Math.floor((aborts.length - 1) / 2)], aborts.at(-1)]);
  for (const abort of shownOnes) if (abort !== undefined) console.log(timelineText(abort));
  return brokenFigures(fault, runs, aborts);
}

async function partB(stage: Stage, observer: Observer, runs: number): Promise<Figure[]> {
  const registry = await loadExample();
  console.log(`\nb: ${runs} good releases of each of three services`);
  const endings: Ending[] = [];
  await stage.worlds(runs, (run, delayMs, together) =>
    goodReleases({
      ...{ registry, run, delayMs, together, observer },
      onEnd: (ending) => endings.push(ending),
    }),
  );
  console.log(goodText(endings) || 'all were promoted');
  return goodFigures(runs, endings);
}

async function partC(stage: Stage, observer: Observer): Promise<Figure[]> {
  console.log(`\nc: ${scripts.length} rollouts with scripted answers`);
  const comparisons: Comparison[] = [];
  await stage.run({
    name: 'model',
    what: 'the model against the controller',
    backends: [],
    timeoutMs: 600_000,
    run: async (context) => {
      comparisons.push(...(await compareAll(context, observer, scripts)));
    },
  });
  for (const comparison of comparisons) console.log(comparisonText(comparison));
  return modelFigures(scripts.length, comparisons);
}

function parse(): { only: readonly Part[]; runs: number } | undefined {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: parts.join(',') },
      runs: { type: 'string', default: '20' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return undefined;
  }
  const named = values.only.split(',');
  const unknown = named.find((part) => !(parts as readonly string[]).includes(part));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: the parts are ${parts.join(', ')}`);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1)
    throw new Error(`--runs ${values.runs}: not a whole number above 0`);
  return { only: parts.filter((part) => named.includes(part)), runs };
}

main()
  .catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  })
  .then(async (exitCode) => {
    await stopEverything();
    process.exit(exitCode);
  });
