import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { Backend, BackendDefinition, BackendEvents } from '../domain/ports/backend.ts';
import type { Settings } from '../settings/settings.ts';
import { backends } from '../sources/dialects/backends.ts';
import { backendOfBatch } from '../sources/dialects/dialect-options.ts';
import { type BackendName, dialects } from '../sources/dialects/dialects.ts';
import { budgetsOfWholes, type ReadBudgetsOf } from './budgets-of-wholes.ts';
import { usableBackends } from './usable-backends.ts';

/** All backends that a command can ask, without caches. */
export interface OpenBackends {
  readonly source: MetricsSource;
  /** Undefined where no backend knows error budgets. */
  readonly readBudgets: ReadBudgetsOf | undefined;
  close(): Promise<void>;
}

/** Precondition: nothing is wrong with the settings of the backend. */
export function openBackend(name: BackendName, settings: Settings, events: BackendEvents): Promise<Backend> {
  const definition: BackendDefinition = backends[name];
  return definition.open(settings.own[name], settings.deadlineMs, events);
}

/** Opens the backends whose settings are complete, for a command that asks once. */
export async function openBackends(settings: Settings, events: BackendEvents): Promise<OpenBackends> {
  const open = await Promise.all(
    usableBackends(settings).map(async (name) => ({
      name,
      backend: await openBackend(name, settings, events),
    })),
  );
  const sources = new Map<BackendName, MetricsSource>();
  for (const { name, backend } of open) sources.set(name, await backend.source());
  const budgets = open.map(({ name, backend }) => [dialects[name], backend.errorBudgets] as const);
  return {
    source: routedSource((name) => sources.get(name)),
    readBudgets: budgets.some(([, of]) => of !== undefined)
      ? budgetsOfWholes(new Map(budgets), 'read')
      : undefined,
    async close() {
      await Promise.all(open.map(({ backend }) => backend.close()));
    },
  };
}

/**
 * Sends each batch to the backend that measures it. Throws TypeError where that is not open: a registry that needs it is not loaded
 * (usable-backends.ts).
 */
export function routedSource(sourceOf: (name: BackendName) => MetricsSource | undefined): MetricsSource {
  return {
    async measure(query, signal) {
      const name = backendOfBatch(query.batch);
      const source = sourceOf(name);
      if (source === undefined) throw new TypeError(`the settings of the backend ${name} are not complete`);
      return await source.measure(query, signal);
    },
  };
}
