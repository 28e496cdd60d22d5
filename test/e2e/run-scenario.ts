import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Child } from './child.ts';
import type { Cluster } from './cluster.ts';
import { kinds } from './kube.ts';
import type { BackendName } from './metrics-backend.ts';
import type { Programs } from './programs.ts';
import type { Result } from './report.ts';
import { describeNamespace } from './rollouts.ts';
import type { Scenario } from './scenario.ts';

export interface Surroundings {
  cluster: Cluster;
  programs: Programs;
  gateProgram: string;
  /** The cluster's folder. */
  dir: string;
  /** The metrics backend; the scenario's first one when left out. */
  backend?: BackendName | undefined;
  /** Keep the scenario's objects for inspection. */
  keep: boolean;
}

/** Runs one scenario in its own namespace and cleans up after it; never throws. */
export async function runScenario(scenario: Scenario, surroundings: Surroundings): Promise<Result> {
  const { cluster, programs, gateProgram, dir, keep } = surroundings;
  const { kube, rolloutsVersion } = cluster;
  const namespace = scenario.name;
  const ownDir = path.join(dir, 'scenarios', namespace);
  mkdirSync(ownDir, { recursive: true });
  const cleanups: (() => unknown)[] = [];
  const children: Child[] = [];
  const started = Date.now();
  let failure: string | undefined;
  try {
    await kube.apply({ ...kinds.Namespace, metadata: { name: namespace } });
    const run = scenario.run({
      cluster,
      // Without a backend, it is the one of the registries that some generate from.
      backend: surroundings.backend ?? scenario.backends[0] ?? 'datadog',
      kube,
      namespace,
      programs,
      gateProgram,
      dir: ownDir,
      log: (line) => console.log(`       ${scenario.name}: ${line}`),
      onEnd: (cleanup) => cleanups.push(cleanup),
      start(program) {
        const child = new Child({ ...program, logDir: path.join(dir, 'logs', namespace) });
        children.push(child);
        cleanups.push(() => child.stop());
        return child.start();
      },
    });
    await within(run, scenario.timeoutMs ?? 120_000);
  } catch (error) {
    failure = await explain(error, namespace, cluster, children);
  }
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  if (!keep) {
    // Otherwise the controller continues to measure for objects that are not used any more.
    for (const kind of [kinds.Rollout, kinds.Experiment, kinds.AnalysisRun]) {
      cleanups.push(() => kube.deleteAll(kind, namespace));
    }
  }
  // With --keep, the scenario's programs continue to run and end with the cluster.
  if (!keep) {
    for (const cleanup of cleanups.reverse()) {
      await Promise.resolve()
        .then(cleanup)
        .catch((error: unknown) => console.error(`cleaning up after ${scenario.name}:`, error));
    }
  }
  return { version: rolloutsVersion, name: scenario.name, seconds, failure };
}

async function within(run: Promise<void>, timeoutMs: number): Promise<void> {
  // It may fail after the timeout, when no one handles the error any more.
  run.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still running after ${timeoutMs / 1000} s`)), timeoutMs);
  });
  await Promise.race([run, late]).finally(() => clearTimeout(timer));
}

async function explain(
  error: unknown,
  namespace: string,
  cluster: Cluster,
  children: Child[],
): Promise<string> {
  const parts = [error instanceof Error ? whereAndWhat(error) : String(error)];
  parts.push(
    await describeNamespace(cluster.kube, namespace).catch(
      (problem: Error) => `nothing to show: ${problem.message}`,
    ),
  );
  for (const child of children) parts.push(`${child.name} ${child.died ?? ''} wrote last:\n${child.tail()}`);
  const said = controllerOn(namespace, cluster.controller);
  if (said) parts.push(`the controller wrote last of this namespace:\n${said}`);
  return parts.filter((part) => part !== '').join('\n');
}

/** The message, and the first stack line that is in a scenario. */
function whereAndWhat(error: Error): string {
  const line = error.stack?.split('\n').find((frame) => frame.includes('/scenarios/'));
  return line ? `${error.message}\n${line.trim()}` : error.message;
}

function controllerOn(namespace: string, controller: Child): string {
  const lines = readFileSync(controller.logFile, 'utf8').split('\n');
  const own = lines.filter((line) => line.includes(`namespace=${namespace} `));
  return own
    .slice(-8)
    .map((line) => `    ${line.slice(0, 300)}`)
    .join('\n');
}
