import type { Cuj } from '../registry/model.ts';
import type { RuleName } from '../registry/rules.ts';
import type { SliName } from '../sli/table.ts';

/** What was left of an error budget at one moment of its window. */
export interface BudgetMoment {
  /** Epoch ms. */
  readonly atMs: number;
  /** As in {@link KnownBudget}: of the budget of the whole window. */
  readonly remaining: number;
}

/** What is left of the error budget of one SLI over the SLO's window, by the backend's own account. */
export interface KnownBudget {
  readonly known: true;
  /** The share that is left: 1 is all of it, 0 none, below 0 overspent. */
  readonly remaining: number;
  /** Good events over total events in the window. */
  readonly sli: number;
  /** Times the allowed rate at which the last seven days burned; undefined where that was not asked or had no events. */
  readonly recentBurn: number | undefined;
  readonly sloId: string;
  readonly sloName: string;
  /** Percent, as the backend's SLO has it: the budget is this objective's. */
  readonly target: number;
  /** How the budget was used up over the window, oldest first; absent where the backend does not say. */
  readonly moments?: readonly BudgetMoment[];
}

/** `why` is a sentence without its full stop. */
export type SliBudget = KnownBudget | { readonly known: false; readonly why: string };

export interface CujBudget {
  readonly cuj: Cuj;
  /** One for each objective of the CUJ. */
  readonly slis: ReadonlyMap<SliName, SliBudget>;
}

/** The budgets of some CUJs over the windows that end at `untilMs`, epoch ms. A budget that could not be read is unknown. */
export type ReadBudgets = (
  cujs: readonly Cuj[],
  untilMs: number,
  signal: AbortSignal,
) => Promise<readonly CujBudget[]>;

/** What the error budget says about a CUJ's rule right now. */
export interface BudgetOpinion {
  /** The rule of the policy entry that is due. */
  readonly rule?: { readonly rule: RuleName; readonly because: string };
  /** Why the budget is not known, where a policy could have changed the rule. */
  readonly note?: string;
}
