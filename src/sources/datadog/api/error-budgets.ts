import { slisOf } from '../../../domain/judge/judge.ts';
import type { SloFacts } from '../../../domain/ports/backend-facts.ts';
import type { CujBudget, SliBudget } from '../../../domain/ports/error-budget.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { Cuj } from '../../../domain/registry/model.ts';
import type { SliName } from '../../../domain/sli/table.ts';
import { readBudget, unasked } from './slo-history.ts';
import { findSlos } from './slos.ts';

/** Histories that are asked for at once: a report of a hundred CUJs must not use up the rate limit in a second. */
const atOnce = 4;

export interface BudgetReadOptions {
  /** Ask for the burn of the last seven days as well: one more call for each SLI. */
  readonly recent: boolean;
  readonly onProgress?: (done: number, of: number) => void;
  /** Ends what is being asked. */
  readonly signal?: AbortSignal;
}

/**
 * The error budgets of some CUJs: one call to find their SLOs (one more for each fifty ids), one for each SLI, and with
 * `recent` another for each SLI. What could not be asked is an unknown budget with the reason.
 */
export async function readBudgets(
  unbounded: JsonApi,
  cujs: readonly Cuj[],
  nowMs: number,
  options: BudgetReadOptions,
): Promise<CujBudget[]> {
  const { signal } = options;
  const api: JsonApi = {
    getJson: (path, query) => unbounded.getJson(path, query, signal),
    postJson: (path, body) => unbounded.postJson(path, body, signal),
  };
  const questions = cujs.flatMap((cuj) => slisOf(cuj).map((sli) => ({ cuj, sli })));
  const answers = new Map<string, SliBudget>();
  const keyOf = (cuj: Cuj, sli: SliName) => `${cuj.name} ${sli}`;
  let slos: readonly SloFacts[] | undefined;
  let failure: SliBudget | undefined;
  try {
    slos = await findSlos(
      api,
      cujs.flatMap(({ sloIds }) => Object.values(sloIds)),
    );
  } catch (error) {
    failure = unasked(error);
  }
  const next = questions.values();
  let done = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const { cuj, sli } of next) {
        const budget =
          slos === undefined
            ? (failure as SliBudget)
            : await readBudget(api, { cuj, sli, slos, nowMs, recent: options.recent }).catch(unasked);
        answers.set(keyOf(cuj, sli), budget);
        done += 1;
        options.onProgress?.(done, questions.length);
      }
    }),
  );
  return cujs.map((cuj) => ({
    cuj,
    slis: new Map(slisOf(cuj).map((sli) => [sli, answers.get(keyOf(cuj, sli)) as SliBudget])),
  }));
}
