import type { Child, Program } from './child.ts';
import type { Cluster } from './cluster.ts';
import type { Kube } from './kube.ts';
import type { Programs } from './programs.ts';

/** One thing that must hold on a real cluster. Files `scenarios/NN-name.ts` export one as `scenario`. */
export interface Scenario {
  /** Short, in kebab case: it names the namespace, and is what `--only` takes. */
  name: string;
  /** One sentence for `--list`. */
  what: string;
  run(context: ScenarioContext): Promise<void>;
  /** Runs when no other scenario does: it stops the controller, say, or counts on both cores. */
  alone?: boolean;
  /** Fails when it takes longer; 120 s unless told. */
  timeoutMs?: number;
}

export interface ScenarioContext {
  cluster: Cluster;
  kube: Kube;
  /** Made for this scenario alone. */
  namespace: string;
  programs: Programs;
  /** The gate's bundle, for `node`. */
  gateProgram: string;
  /** A folder of this scenario's own, gone after the run. */
  dir: string;
  log(line: string): void;
  /** Starts a program that ends with the scenario; its log is kept when the scenario fails. */
  start(program: Omit<Program, 'logDir'>): Child;
  /** Called when the scenario ends, however it ends; the last one given runs first. */
  onEnd(cleanup: () => unknown): void;
}
