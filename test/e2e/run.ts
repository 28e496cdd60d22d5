import { readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Cluster, startCluster } from './cluster.ts';
import { ensureDebian } from './debian.ts';
import { buildGate } from './gate-program.ts';
import { keepLogs, logs, removeOldLogs } from './logs.ts';
import { type BackendName, backendNames } from './metrics-backend.ts';
import { leaveNothingBehind, removeTemporary, stopEverything, temporaryFolder } from './mortal.ts';
import {
  clusterProducts,
  ensurePrograms,
  type Programs,
  type RolloutsVersion,
  rolloutsVersions,
} from './programs.ts';
import { isBuilt, productsOf } from './prometheus-fronts.ts';
import { failuresText, type Result, tableText } from './report.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';

const usage = `npm run e2e -- [options]

  --all                 on every supported Argo Rollouts: ${rolloutsVersions.join(', ')}
  --rollouts VERSION    on this one; may be given again (default ${rolloutsVersions[0]})
  --backend NAME        over this metrics backend, and no scenario that asks none: ${backendNames.join(', ')}
  --only NAME           only this scenario; may be given again
  --keep                leave the cluster running afterwards, until Ctrl-C
  --build               only build the programs
  --list                show the scenarios`;

/** Scenarios mostly wait, so there may be more of them at once than cores. */
const atOnce = 6;

async function main(): Promise<number> {
  const options = parse();
  if (options.help) return say(usage);
  const scenarios = over(options.backend, await loadScenarios(options.only), options.only.length > 0);
  if (options.list) return say(scenarios.map(({ name, what }) => `${name.padEnd(24)} ${what}`).join('\n'));

  leaveNothingBehind();
  const started = Date.now();
  ensureDebian(['etcd-server', 'prometheus', 'redis-server', 'victoria-metrics']);
  const programs = await ensurePrograms([
    ...options.versions.flatMap(clusterProducts),
    'kubectl',
    'helm',
    'cue',
    ...scenarios.flatMap(({ needs = [] }) => needs),
    ...(options.backend !== undefined && isBuilt(options.backend) ? productsOf(options.backend) : []),
  ]);
  if (options.build) return say(`programs are ready after ${seconds(started)} s`);

  const built = { programs, gateProgram: await buildGate(path.join(temporaryFolder(), 'gate')) };

  removeOldLogs();
  const results: Result[] = [];
  for (const version of options.versions) results.push(...(await runOn(version, built, scenarios, options)));

  console.log(`\n${tableText(results)}`);
  const failed = results.filter(({ failure }) => failure !== undefined);
  if (failed.length > 0) console.log(`\n${failuresText(results)}\n\nlogs: ${logs}`);
  console.log(
    `\ntook ${seconds(started)} s\n${results.length - failed.length} passed, ${failed.length} failed`,
  );
  return failed.length > 0 ? 1 : 0;
}

async function runOn(
  version: RolloutsVersion,
  built: { programs: Programs; gateProgram: string },
  scenarios: Scenario[],
  { keep, backend }: { keep: boolean; backend: BackendName | undefined },
): Promise<Result[]> {
  const dir = temporaryFolder();
  const started = Date.now();
  let cluster: Cluster;
  try {
    cluster = await startCluster({ programs: built.programs, dir, rolloutsVersion: version });
  } catch (error) {
    keepLogs(dir, version);
    removeTemporary(dir);
    const failure = error instanceof Error ? error.message : String(error);
    return scenarios.map(({ name }) => ({ version, name, seconds: 0, failure: `no cluster: ${failure}` }));
  }
  console.log(`Argo Rollouts ${version} on Kubernetes answers after ${seconds(started)} s`);

  const results: Result[] = [];
  const runOne = async (scenario: Scenario) => {
    const result = await runScenario(scenario, { cluster, ...built, dir, keep, backend });
    console.log(
      `${result.failure === undefined ? 'ok    ' : 'FAILED'} ${version} ${result.name} (${result.seconds} s)`,
    );
    results.push(result);
  };
  // The longest scenarios begin first, so that the run does not wait for them at its end.
  const together = scenarios
    .filter(({ alone }) => !alone)
    .sort((one, other) => (other.timeoutMs ?? 0) - (one.timeoutMs ?? 0));
  const next = together.values();
  // The workers share one iterator: each takes the next scenario as soon as it is free.
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const scenario of next) await runOne(scenario);
    }),
  );
  for (const scenario of scenarios.filter(({ alone }) => alone)) await runOne(scenario);

  if (keep) await untilInterrupted(cluster, built.programs);
  await cluster.stop();
  if (results.some(({ failure }) => failure !== undefined)) keepLogs(dir, version);
  removeTemporary(dir);
  const order = scenarios.map(({ name }) => name);
  return results.sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
}

function parse() {
  const { values } = parseArgs({
    options: {
      all: { type: 'boolean', default: false },
      rollouts: { type: 'string', multiple: true, default: [] },
      backend: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      keep: { type: 'boolean', default: false },
      build: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = values.rollouts.find((version) => !isSupported(version));
  if (unknown) throw new Error(`--rollouts ${unknown}: not one of ${rolloutsVersions.join(', ')}`);
  const { backend } = values;
  if (backend !== undefined && !isBackend(backend))
    throw new Error(`--backend ${backend}: not one of ${backendNames.join(', ')}`);
  const named = values.rollouts.filter(isSupported);
  const versions = values.all ? [...rolloutsVersions] : named.length > 0 ? named : [rolloutsVersions[0]];
  if (values.keep && versions.length > 1)
    throw new Error('--keep leaves one cluster running: name one version with --rollouts');
  return { ...values, backend, versions };
}

const isBackend = (name: string): name is BackendName => (backendNames as readonly string[]).includes(name);

const isSupported = (version: string): version is RolloutsVersion =>
  (rolloutsVersions as readonly string[]).includes(version);

async function loadScenarios(only: string[]): Promise<Scenario[]> {
  const folder = path.join(import.meta.dirname, 'scenarios');
  const scenarios: Scenario[] = [];
  for (const file of readdirSync(folder)
    .filter((name) => /^\d\d-.*\.ts$/.test(name))
    .sort()) {
    const { scenario } = (await import(path.join(folder, file))) as { scenario?: Scenario };
    if (!scenario) throw new Error(`${path.join(folder, file)} exports no \`scenario\``);
    scenarios.push(scenario);
  }
  const unknown = only.find((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown)
    throw new Error(
      `--only ${unknown}: no such scenario; there are ${scenarios.map(({ name }) => name).join(', ')}`,
    );
  return only.length > 0 ? scenarios.filter(({ name }) => only.includes(name)) : scenarios;
}

/** Of all scenarios, those that can run over the backend; of named ones, each must. */
function over(backend: BackendName | undefined, scenarios: Scenario[], areNamed: boolean): Scenario[] {
  if (backend === undefined) return scenarios;
  const others = scenarios.filter(({ backends }) => !backends.includes(backend));
  if (!areNamed || others.length === 0) return scenarios.filter((scenario) => !others.includes(scenario));
  const why = others.map(
    ({ name, backends }) =>
      `${name} ${backends.length === 0 ? 'asks no backend: leave out --backend' : `runs over ${backends.join(', ')}`}`,
  );
  throw new Error(`--backend ${backend}: ${why.join('; ')}`);
}

function untilInterrupted(cluster: Cluster, programs: Programs): Promise<never> {
  console.log(
    `\nThe cluster stays until Ctrl-C:\n  ${programs.kubectl.program} --kubeconfig ${cluster.kubeconfig} get rollouts,analysisruns -A`,
  );
  return new Promise(() => setInterval(() => {}, 60_000));
}

const seconds = (since: number) => Math.round((Date.now() - since) / 1000);

function say(text: string): number {
  console.log(text);
  return 0;
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
