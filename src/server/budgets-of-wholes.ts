import { slisOf } from '../domain/judge/judge.ts';
import type { BackendBudgets } from '../domain/ports/backend.ts';
import type { SliBudget } from '../domain/ports/error-budget.ts';
import { backendsText } from '../domain/registry/backend-words.ts';
import type { Cuj, Registry } from '../domain/registry/model.ts';
import { cujMeasuredBy } from '../domain/registry/part-of-backend.ts';
import type { SourceDialect } from '../domain/registry/source-dialect.ts';
import { endpointsCountedBy } from '../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../domain/sli/table.ts';
import type { ErrorBudgetOptions } from '../error-budget/refresher.ts';

/** Reads the budgets of CUJs of a registry. */
export type ReadBudgetsOf = (registry: () => Registry) => ErrorBudgetOptions['read'];

/**
 * Error budgets of SLIs that one backend measures as a whole, each read from its backend. Those of the others are unknown: an SLO of
 * one backend counts a part of what an SLI over several needs, and would look as the whole.
 */
export function budgetsOfWholes(
  readers: ReadonlyMap<SourceDialect, BackendBudgets | undefined>,
  how: 'read' | 'readWithRecent',
): ReadBudgetsOf {
  return (registry) => async (cujs, untilMs, signal) => {
    const byReader = new Map<BackendBudgets, Cuj[]>();
    /** By what is asked for, the CUJ that it is of. */
    const whole = new Map<Cuj, Cuj>();
    for (const cuj of cujs) {
      for (const [dialect, reader] of readers) {
        const part = cujMeasuredBy({ dialect }, registry(), cuj);
        if (part === undefined || reader === undefined) continue;
        whole.set(part, cuj);
        byReader.set(reader, [...(byReader.get(reader) ?? []), part]);
      }
    }
    const read = await Promise.all(
      [...byReader].map(([reader, of]) => reader[how](reader.api, of, untilMs, signal)),
    );
    const known = new Map<Cuj, Map<SliName, SliBudget>>();
    for (const { cuj: part, slis } of read.flat()) {
      const cuj = whole.get(part) ?? part;
      known.set(cuj, new Map([...(known.get(cuj) ?? []), ...slis]));
    }
    return cujs.map((cuj) => ({
      cuj,
      slis: new Map(
        slisOf(cuj).map((sli) => [sli, known.get(cuj)?.get(sli) ?? unknownBudget(registry(), cuj, sli)]),
      ),
    }));
  };
}

function unknownBudget({ services }: Registry, cuj: Cuj, sli: SliName): SliBudget {
  const counted = endpointsCountedBy(sliKinds[sli], cuj.endpoints).map(({ service }) => service);
  // The registry may have been replaced since: a service that is gone is measured by none.
  const dialects = [...new Set(counted.flatMap((name) => services.get(name)?.dialect ?? []))];
  const names = backendsText(dialects, 'and');
  const why =
    dialects.length > 1
      ? `it is measured by ${names}, and an SLO of one of them counts a part of it`
      : dialects.length === 1
        ? `${names} has no error budgets`
        : 'the registry no longer has its services';
  return { known: false, why };
}
