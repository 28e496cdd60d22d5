import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { VerdictHistory } from '../domain/ports/verdict-history.ts';
import { environmentsIn, type Registry } from '../domain/registry/model.ts';
import type { RemainingBudget } from '../error-budget/metric.ts';
import { createErrorBudgets, type ErrorBudgetOptions, type ErrorBudgets } from '../error-budget/refresher.ts';
import { createEvaluator, type Evaluator, type EvaluatorPorts } from '../evaluation/evaluator.ts';
import type { EnvironmentPorts, RegistryState } from '../http/server/ports.ts';
import type { RegistryHolder } from '../registry-files/watch.ts';
import type { Settings } from '../settings/settings.ts';
import type { ReadBudgetsOf } from './budgets-of-wholes.ts';
import type { Source } from './compose-metrics-source.ts';
import { openPages } from './compose-pages.ts';
import { ofEnvironment } from './history-of-environment.ts';

/** How many counts the evaluators of all environments remember together. */
const rememberedCounts = 4_000_000;

export interface EnvironmentsPorts {
  readonly settings: Pick<Settings, 'publicUrl' | 'basePath'>;
  readonly registry: RegistryHolder;
  /** What the gate shows of a registry. */
  readonly stateOf: (registry: Registry) => RegistryState;
  readonly source: Source;
  readonly metricsSource: MetricsSource;
  readonly history: VerdictHistory;
  readonly budgets: Omit<ErrorBudgetOptions, 'registry' | 'read'> & { readonly read: ReadBudgetsOf };
  /** Whether error budgets are read in the background. */
  readonly readsBudgets: boolean;
  readonly judge?: EvaluatorPorts['judge'];
  readonly traced: (evaluator: Evaluator) => Evaluator;
}

/** What answers for each environment. In a registry without environments there is one, whose name is undefined. */
export interface Environments {
  names(): readonly string[];
  /** Throws TypeError where the current registry has none of the name. */
  of(name: string | undefined): EnvironmentPorts;
  remainingBudgets(): readonly RemainingBudget[];
  /** The registry was loaded again: its environments may be others. */
  reloaded(): void;
  stop(): void;
}

/**
 * Wires an evaluator, error budgets and pages for every environment of the registry. They share the source with its caches, and
 * nothing else: what is remembered of one environment can never become an answer about another.
 */
export function openEnvironments(ports: EnvironmentsPorts): Environments {
  const open = new Map<string | undefined, EnvironmentPorts & { readonly budgets: ErrorBudgets }>();
  const registries = () => ports.registry.current().registries;

  function openOne(name: string | undefined) {
    const { source, settings } = ports;
    let last: Registry | undefined;
    // A request that began before a reload removed the environment is answered as before.
    const registry = (): Registry => {
      last = registries().byEnvironment.get(name) ?? last;
      if (last === undefined) throw new TypeError(`the registry has no environment ${JSON.stringify(name)}`);
      return last;
    };
    const budgets = createErrorBudgets({ ...ports.budgets, read: ports.budgets.read(registry), registry });
    if (ports.readsBudgets) budgets.start();
    const evaluator = createEvaluator({
      registry,
      source: ports.metricsSource,
      pastSource: source.pastSource,
      now: ports.budgets.now,
      budget: budgets.opinion,
      rememberedCounts: Math.floor(rememberedCounts / registries().byEnvironment.size),
      ...(ports.judge === undefined ? {} : { judge: ports.judge }),
    });
    return {
      budgets,
      evaluator: ports.traced(evaluator),
      registry: () => ports.stateOf(registry()),
      history: name === undefined ? ports.history : ofEnvironment(ports.history, name),
      pages: openPages(settings, source, registry),
    };
  }

  /** Opens those that are new, so that their error budgets are read before somebody asks, and ends those that are gone. */
  function reloaded(): void {
    const { byEnvironment } = registries();
    for (const [name, { budgets }] of open) {
      if (byEnvironment.has(name)) continue;
      budgets.stop();
      open.delete(name);
    }
    for (const name of byEnvironment.keys()) if (!open.has(name)) open.set(name, openOne(name));
  }

  reloaded();
  return {
    names: () => environmentsIn(registries()),
    of(name) {
      const of = open.get(name);
      if (of === undefined) throw new TypeError(`the registry has no environment ${JSON.stringify(name)}`);
      return of;
    },
    remainingBudgets: () =>
      [...open].flatMap(([environment, { budgets }]) =>
        budgets.remaining().map((one) => (environment === undefined ? one : { ...one, environment })),
      ),
    reloaded,
    stop() {
      for (const { budgets } of open.values()) budgets.stop();
    },
  };
}
