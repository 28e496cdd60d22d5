import { slisOf } from '../domain/judge/judge.ts';
import type { BackendBudgets } from '../domain/ports/backend.ts';
import type { CujBudget } from '../domain/ports/error-budget.ts';
import { backendsText } from '../domain/registry/backend-words.ts';
import type { Cuj, Registry } from '../domain/registry/model.ts';
import type { SourceDialect } from '../domain/registry/source-dialect.ts';
import type { ErrorBudgetOptions } from '../error-budget/refresher.ts';

/** Reads the budgets of CUJs of a registry. */
export type ReadBudgetsOf = (registry: () => Registry) => ErrorBudgetOptions['read'];

/**
 * Error budgets of CUJs that one backend measures as a whole, each read from its backend. Those of the others are unknown: an SLO of
 * one backend counts a part of what a CUJ over several needs, and would look as the whole.
 */
export function budgetsOfWholes(
  readers: ReadonlyMap<SourceDialect, BackendBudgets | undefined>,
  how: 'read' | 'readWithRecent',
): ReadBudgetsOf {
  return (registry) => async (cujs, untilMs, signal) => {
    const byReader = new Map<BackendBudgets, Cuj[]>();
    const unknown: CujBudget[] = [];
    const order = new Map(cujs.map((cuj, i) => [cuj, i]));
    for (const cuj of cujs) {
      const dialects = dialectsOf(registry(), cuj);
      const [first] = dialects;
      const reader = first && readers.get(first);
      if (dialects.length === 1 && reader !== undefined)
        byReader.set(reader, [...(byReader.get(reader) ?? []), cuj]);
      else unknown.push(unknownBudgets(cuj, dialects));
    }
    const known = await Promise.all(
      [...byReader].map(([reader, of]) => reader[how](reader.api, of, untilMs, signal)),
    );
    return [...known.flat(), ...unknown].sort((a, b) => (order.get(a.cuj) ?? 0) - (order.get(b.cuj) ?? 0));
  };
}

function dialectsOf({ services }: Registry, cuj: Cuj): readonly SourceDialect[] {
  // The registry may have been replaced since: a service that is gone is measured by none.
  return [...new Set(cuj.services.flatMap((name) => services.get(name)?.dialect ?? []))];
}

function unknownBudgets(cuj: Cuj, dialects: readonly SourceDialect[]): CujBudget {
  const names = backendsText(dialects, 'and');
  const why =
    dialects.length > 1
      ? `it is measured by ${names}, and an SLO of one of them counts a part of it`
      : dialects.length === 1
        ? `${names} has no error budgets`
        : 'the registry no longer has its services';
  return { cuj, slis: new Map(slisOf(cuj).map((sli) => [sli, { known: false, why }])) };
}
