import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { Backend, BackendDefinition, BackendEvents, ReadTagHits } from '../domain/ports/backend.ts';
import type { QueryBatch } from '../domain/registry/model.ts';
import type { Settings } from '../settings/settings.ts';
import { backends } from '../sources/dialects/backends.ts';
import { backendOfBatch } from '../sources/dialects/dialect-options.ts';
import { type BackendName, dialects } from '../sources/dialects/dialects.ts';
import { budgetsOfWholes, type ReadBudgetsOf } from './budgets-of-wholes.ts';
import { usableBackends } from './usable-backends.ts';

/** All backends that a command can ask, without caches. */
export interface OpenBackends {
  readonly source: MetricsSource;
  /** Of the backend of a batch; undefined where it cannot tell. */
  readonly tagHits: (batch: QueryBatch) => ReadTagHits | undefined;
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
  const open = new Map<BackendName, { readonly backend: Backend; readonly source: MetricsSource }>();
  for (const name of usableBackends(settings)) {
    const backend = await openBackend(name, settings, events);
    open.set(name, { backend, source: await backend.source() });
  }
  const budgets = [...open].map(([name, { backend }]) => [dialects[name], backend.errorBudgets] as const);
  return {
    source: routedSource((name) => openOf(open, name).source),
    tagHits: (batch) => openOf(open, backendOfBatch(batch)).backend.tagHits,
    readBudgets: budgets.some(([, of]) => of !== undefined)
      ? budgetsOfWholes(new Map(budgets), 'read')
      : undefined,
    async close() {
      await Promise.all([...open.values()].map(({ backend }) => backend.close()));
    },
  };
}

/** What is open of a backend. Throws TypeError where that is nothing: a registry that needs it is not loaded (usable-backends.ts). */
export function openOf<T>(open: ReadonlyMap<BackendName, T>, name: BackendName): T {
  const found = open.get(name);
  if (found === undefined) throw new TypeError(`the settings of the backend ${name} are not complete`);
  return found;
}

/** Sends each batch to the backend that measures it. */
export function routedSource(sourceOf: (name: BackendName) => MetricsSource): MetricsSource {
  return { measure: async (query, signal) => sourceOf(backendOfBatch(query.batch)).measure(query, signal) };
}
