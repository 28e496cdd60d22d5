import type { Child, Program } from './child.ts';
import type { Cluster } from './cluster.ts';
import type { Kube } from './kube.ts';
import type { BackendName } from './metrics-backend.ts';
import type { ProductName, Programs } from './programs.ts';

/** A test on a real cluster. Each file `scenarios/NN-name.ts` exports one as `scenario`. */
export interface Scenario {
  /** Short, in kebab case: the name of the namespace, and the value of `--only`. */
  name: string;
  /** One sentence for `--list`. */
  what: string;
  run(context: ScenarioContext): Promise<void>;
  /** Programs that only this scenario needs and that take minutes to build: built before the run, outside of its timeout. */
  needs?: readonly ProductName[];
  /**
   * The metrics backends it can run over. It runs over the first one, and with `--backend` over the named one. Empty: none takes part, and
   * with `--backend` it is left out, because it would only do the same again.
   */
  backends: readonly BackendName[];
  /** Runs without other scenarios, for example because it stops the controller or needs both cores. */
  alone?: boolean;
  /** The timeout; default: 120 s. */
  timeoutMs?: number;
}

export interface ScenarioContext {
  /** The metrics backend of this run. */
  backend: BackendName;
  cluster: Cluster;
  kube: Kube;
  /** Created for this scenario only. */
  namespace: string;
  programs: Programs;
  /** The gate's bundle, for `node`. */
  gateProgram: string;
  /** A folder of this scenario, removed after the run. */
  dir: string;
  log(line: string): void;
  /** Starts a program that ends with the scenario; its log is kept when the scenario fails. */
  start(program: Omit<Program, 'logDir'>): Child;
  /** Registers a function to call when the scenario ends, in any way; the last registered one runs first. */
  onEnd(cleanup: () => unknown): void;
}
