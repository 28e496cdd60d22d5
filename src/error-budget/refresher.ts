import { SourceError } from '../domain/errors.ts';
import { slisOf } from '../domain/judge/judge.ts';
import type { BudgetOpinion, CujBudget, SliBudget } from '../domain/ports/error-budget.ts';
import type { Cuj, Registry } from '../domain/registry/model.ts';
import type { SliName } from '../domain/sli/table.ts';
import { opinionOf } from './policy.ts';

const staleMs = 30 * 60_000;

/** What the refresher logs by: pino's shape. */
export interface BudgetLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ErrorBudgetOptions {
  /** The budgets of some CUJs over the windows that end at `untilMs`. What could not be read is an unknown budget. */
  readonly read: (
    cujs: readonly Cuj[],
    untilMs: number,
    signal: AbortSignal,
  ) => Promise<readonly CujBudget[]>;
  readonly registry: () => Registry;
  /** Epoch ms. */
  readonly now: () => number;
  /** How often the budgets are asked for. */
  readonly intervalMs: number;
  readonly logger: BudgetLogger;
  /** Calls the task every so many ms until it is told to stop; an unref'ed timer unless given. */
  readonly every?: (ms: number, task: () => void) => () => void;
}

/** The error budgets that change rules, kept fresh in the background. */
export interface ErrorBudgets {
  /** Asks at once and then at every interval. */
  start(): void;
  /** Ends that, and what is being asked. */
  stop(): void;
  /** One round; never rejects. One that is asked for while another is under way joins it. */
  refresh(): Promise<void>;
  /** The evaluator's port: answers from what is known, without waiting. */
  opinion(cuj: Cuj): BudgetOpinion;
  /** What is known and not stale, as ratios. */
  remaining(): { readonly cuj: string; readonly sli: SliName; readonly ratio: number }[];
}

interface Reading {
  readonly budget: SliBudget;
  readonly atMs: number;
}

/**
 * Keeps the error budgets of the CUJs whose errorBudgetPolicy has an entry with `gate:`; no other is asked for. A round
 * that fails leaves what is known, for half an hour: then the budget is unknown, and no rule is changed by it.
 */
export function createErrorBudgets(options: ErrorBudgetOptions): ErrorBudgets {
  const { read, registry, now, intervalMs, logger, every = unrefInterval } = options;
  const readings = new Map<string, Reading>();
  const complaints = new Map<string, string>();
  let underWay: Promise<void> | undefined;
  let end: (() => void) | undefined;
  let ended = new AbortController();

  async function round(): Promise<void> {
    const cujs = [...registry().cujs.values()].filter(isGated);
    if (cujs.length === 0) {
      readings.clear();
      complaints.clear();
      return;
    }
    const atMs = now();
    const wanted = new Set<string>();
    const { signal } = ended;
    // Replicas that share their answers share these only where they ask about the very same span.
    const untilMs = Math.floor(atMs / intervalMs) * intervalMs;
    const budgets = await read(cujs, untilMs, signal);
    // What was cut off by the gate's own end is no news.
    if (signal.aborted) return;
    for (const { cuj, slis } of budgets) {
      for (const [sli, budget] of slis) {
        const key = keyOf(cuj, sli);
        wanted.add(key);
        complain(key, cuj, sli, budget);
        // What was read a while ago is better than nothing, until it is stale.
        const old = readings.get(key);
        if (budget.known || old === undefined || !old.budget.known || isStale(old)) {
          readings.set(key, { budget, atMs });
        }
      }
    }
    for (const known of [readings, complaints]) {
      for (const key of known.keys()) if (!wanted.has(key)) known.delete(key);
    }
  }

  /** Once for each reason, not every five minutes. */
  function complain(key: string, cuj: Cuj, sli: SliName, budget: SliBudget): void {
    if (budget.known) complaints.delete(key);
    else if (complaints.get(key) !== budget.why) {
      complaints.set(key, budget.why);
      logger.warn({ cuj: cuj.name, sli, why: budget.why }, 'error budget not known');
    }
  }

  const isStale = ({ atMs }: Reading) => now() - atMs > staleMs;

  function budgetOf(cuj: Cuj, sli: SliName): SliBudget {
    const reading = readings.get(keyOf(cuj, sli));
    if (reading === undefined) return { known: false, why: 'it has not been read yet' };
    if (reading.budget.known && isStale(reading)) {
      return { known: false, why: `it was last read at ${new Date(reading.atMs).toISOString()}` };
    }
    return reading.budget;
  }

  const refresh = () => {
    underWay ??= round()
      .catch((error: unknown) => {
        const code = error instanceof SourceError ? error.code : undefined;
        logger.error({ err: error, code }, 'error budgets could not be refreshed');
      })
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  };

  return {
    start() {
      if (end !== undefined) return;
      ended = new AbortController();
      void refresh();
      end = every(intervalMs, () => void refresh());
    },
    stop() {
      end?.();
      end = undefined;
      ended.abort();
    },
    refresh,
    opinion(cuj) {
      if (!isGated(cuj)) return {};
      return opinionOf({ cuj, slis: new Map(slisOf(cuj).map((sli) => [sli, budgetOf(cuj, sli)])) });
    },
    remaining() {
      return [...registry().cujs.values()].filter(isGated).flatMap((cuj) =>
        slisOf(cuj).flatMap((sli) => {
          const budget = budgetOf(cuj, sli);
          return budget.known ? [{ cuj: cuj.name, sli, ratio: budget.remaining }] : [];
        }),
      );
    },
  };
}

function isGated(cuj: Cuj): boolean {
  return cuj.errorBudgetPolicy.some(({ gate }) => gate !== undefined);
}

/** A change of the SLO's identity must not be judged by the old SLO's budget. */
function keyOf(cuj: Cuj, sli: SliName): string {
  return JSON.stringify([cuj.name, sli, cuj.sloIds[sli], cuj.sloWindow, cuj.objectives[sli]?.percent]);
}

function unrefInterval(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms);
  timer.unref();
  return () => clearInterval(timer);
}
