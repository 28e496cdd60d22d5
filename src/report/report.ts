import type { CujBudget, SliBudget } from '../domain/ports/error-budget.ts';
import type { Cuj } from '../domain/registry/model.ts';
import type { SliName } from '../domain/sli/table.ts';
import { dueActions, minBudget } from '../error-budget/policy.ts';

/** The state of a CUJ: an agreed action is due, the budget is unknown, or nothing to do. */
export type BudgetState = 'due' | 'unknown' | 'fine';

/** One CUJ in the report. */
export interface ReportEntry {
  readonly cuj: string;
  readonly title: string | null;
  readonly owner: string;
  readonly tier: 1 | 2 | 3;
  readonly runbook: string | null;
  /** The SLO's window: `30d`. */
  readonly window: string;
  readonly state: BudgetState;
  /** The lowest remaining share of its SLIs; null where none is known. */
  readonly remaining: number | null;
  /**
   * The actions that are due, most severe first. `gate` is set on the entry whose rule applies: the most severe one that has
   * a rule.
   */
  readonly due: readonly { readonly below: number; readonly action: string; readonly gate: string | null }[];
  readonly slis: readonly ReportSli[];
}

export interface ReportSli {
  readonly sli: SliName;
  /** Percent, of the registry. */
  readonly objective: number;
  /** Percent, of the SLO as the backend has it, where it differs: the budget is based on it. */
  readonly datadogObjective: number | null;
  readonly remaining: number | null;
  /** Good events over total events in the window. */
  readonly value: number | null;
  /** Average burn rate over the window: 1 uses the budget up exactly. */
  readonly burn: number | null;
  /** The same over the last seven days. */
  readonly recentBurn: number | null;
  /** Why it is not known. */
  readonly unknown: string | null;
  readonly sloId: string | null;
}

export interface BudgetReport {
  readonly registryDigest: string;
  /** RFC 3339. */
  readonly at: string;
  /** The most urgent first. */
  readonly cujs: readonly ReportEntry[];
}

const order: readonly BudgetState[] = ['due', 'unknown', 'fine'];

/**
 * The error budgets: first the CUJs with an action due, by remaining budget and then by tier; then those that are unknown,
 * which need a decision too; then the rest.
 */
export function budgetReport(
  registryDigest: string,
  budgets: readonly CujBudget[],
  atMs: number,
): BudgetReport {
  const cujs = budgets
    .map(entryOf)
    .sort(
      (a, b) =>
        order.indexOf(a.state) - order.indexOf(b.state) ||
        (a.remaining ?? 0) - (b.remaining ?? 0) ||
        a.tier - b.tier ||
        (a.cuj < b.cuj ? -1 : 1),
    );
  return { registryDigest, at: new Date(atMs).toISOString(), cujs };
}

function entryOf({ cuj, slis }: CujBudget): ReportEntry {
  const minRemaining = minBudget(slis)?.budget.remaining;
  const due = minRemaining === undefined ? [] : dueActions(cuj.errorBudgetPolicy, minRemaining);
  const ruling = due.find(({ gate }) => gate !== undefined);
  const overspent = minRemaining !== undefined && minRemaining < 0;
  const unknown = [...slis.values()].some(({ known }) => !known);
  return {
    cuj: cuj.name,
    title: cuj.title ?? null,
    owner: cuj.owner,
    tier: cuj.tier,
    runbook: cuj.runbook ?? null,
    window: cuj.sloWindow,
    // Without a policy, an overspent budget is still reported.
    state: due.length > 0 || overspent ? 'due' : unknown ? 'unknown' : 'fine',
    remaining: minRemaining ?? null,
    due: due.map((entry) => ({
      below: entry.below,
      action: entry.action,
      gate: entry === ruling ? (entry.gate ?? null) : null,
    })),
    slis: [...slis].map(([sli, budget]) => sliOf(cuj, sli, budget)),
  };
}

function sliOf(cuj: Cuj, sli: SliName, budget: SliBudget): ReportSli {
  const objective = cuj.objectives[sli]?.percent as number;
  if (!budget.known) {
    return {
      sli,
      objective,
      datadogObjective: null,
      remaining: null,
      value: null,
      burn: null,
      recentBurn: null,
      unknown: budget.why,
      sloId: null,
    };
  }
  const { remaining, sli: value, recentBurn, target, sloId } = budget;
  return {
    sli,
    objective,
    datadogObjective: Math.abs(target - objective) > 1e-9 ? target : null,
    remaining,
    value,
    burn: 1 - remaining,
    recentBurn: recentBurn ?? null,
    unknown: null,
    sloId,
  };
}
