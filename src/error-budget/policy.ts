import type { BudgetOpinion, CujBudget, KnownBudget, SliBudget } from '../domain/ports/error-budget.ts';
import type { ErrorBudgetAction } from '../domain/registry/model.ts';
import type { SliName } from '../domain/sli/table.ts';

/** The CUJ's budget is the lowest of its SLIs' budgets; undefined where none is known. */
export function minBudget(
  slis: ReadonlyMap<SliName, SliBudget>,
): { readonly sli: SliName; readonly budget: KnownBudget } | undefined {
  let min: { sli: SliName; budget: KnownBudget } | undefined;
  for (const [sli, budget] of slis) {
    if (budget.known && (min === undefined || budget.remaining < min.budget.remaining)) min = { sli, budget };
  }
  return min;
}

/** The entries of a policy that apply at this share of the budget, most severe first. */
export function dueActions(policy: readonly ErrorBudgetAction[], remaining: number): ErrorBudgetAction[] {
  return policy.filter(({ below }) => remaining < below).sort((a, b) => a.below - b.below);
}

/**
 * Whether a CUJ's budget changes its rule. One known SLI below the limit is enough. Where a budget is unknown the rule
 * stays, and a note says so.
 */
export function opinionOf({ cuj, slis }: CujBudget): BudgetOpinion {
  const gated = cuj.errorBudgetPolicy.filter(({ gate }) => gate !== undefined);
  if (gated.length === 0) return {};
  const min = minBudget(slis);
  const due = min === undefined ? undefined : dueActions(gated, min.budget.remaining)[0];
  const unknown = [...slis].flatMap(([sli, budget]) => (budget.known ? [] : [`${sli}: ${budget.why}`]));
  // An unknown budget matters only if a more severe entry could apply.
  const open = unknown.length > 0 && gated.some(({ below }) => due === undefined || below < due.below);
  return {
    ...(min === undefined || due?.gate === undefined || due.gate === cuj.gate.rule
      ? {}
      : {
          rule: {
            rule: due.gate,
            because: `errorBudgetPolicy: ${percentText(min.budget.remaining)} of the ${min.sli} error budget is left, which is below ${percentText(due.below)}; agreed: ${due.action}`,
          },
        }),
    ...(open
      ? { note: `the error budget is unknown, so the rule is unchanged (${unknown.join('; ')})` }
      : {}),
  };
}

/** A ratio in percent with at most one decimal, rounded down. */
export function percentText(ratio: number): string {
  // Binary fractions such as 0.29 * 1000 may be slightly below the whole number.
  const tenths = Math.floor(ratio * 1000 + 1e-9);
  return `${tenths === 0 ? 0 : tenths / 10}%`;
}
