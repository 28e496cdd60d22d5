import { SourceError } from '../domain/errors.ts';
import { slisOf } from '../domain/judge/judge.ts';
import type { BudgetOpinion, ReadBudgets, SliBudget } from '../domain/ports/error-budget.ts';
import type { Cuj, Registry } from '../domain/registry/model.ts';
import type { SliName } from '../domain/sli/table.ts';
import { opinionOf } from './policy.ts';

const staleMs = 30 * 60_000;

/** The part of pino's interface that the refresher uses. */
export interface BudgetLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ErrorBudgetOptions {
  readonly read: ReadBudgets;
  readonly registry: () => Registry;
  /** Epoch ms. */
  readonly now: () => number;
  /** How often the budgets are read. */
  readonly intervalMs: number;
  readonly logger: BudgetLogger;
  /** Calls the task at an interval until it is stopped; default: an unref'ed timer. */
  readonly every?: (ms: number, task: () => void) => () => void;
}

/** The error budgets that change rules, refreshed in the background. */
export interface ErrorBudgets {
  /** Refreshes now and then at every interval. */
  start(): void;
  /** Stops, and cancels a pending refresh. */
  stop(): void;
  /** Refreshes once; never rejects. Concurrent calls share one refresh. */
  refresh(): Promise<void>;
  /** The evaluator's port: returns the known budgets without waiting. */
  opinion(cuj: Cuj): BudgetOpinion;
  /** The budgets that are known and not stale, as ratios. */
  remaining(): { readonly cuj: string; readonly sli: SliName; readonly ratio: number }[];
}

interface Reading {
  readonly budget: SliBudget;
  readonly atMs: number;
}

/**
 * Keeps the error budgets of the CUJs whose errorBudgetPolicy has an entry with `gate:`. When a refresh fails, the known
 * budgets are used for half an hour. After that they are unknown and change no rule.
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
    // Replicas can share these queries only if they query exactly the same span.
    const untilMs = Math.floor(atMs / intervalMs) * intervalMs;
    const budgets = await read(cujs, untilMs, signal);
    // Errors caused by the shutdown are not logged.
    if (signal.aborted) return;
    for (const { cuj, slis } of budgets) {
      for (const [sli, budget] of slis) {
        const key = keyOf(cuj, sli);
        wanted.add(key);
        complain(key, cuj, sli, budget);
        // An older budget is used until it is stale.
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

  /** Logs each reason once, not at every refresh. */
  function complain(key: string, cuj: Cuj, sli: SliName, budget: SliBudget): void {
    if (budget.known) complaints.delete(key);
    else if (complaints.get(key) !== budget.why) {
      complaints.set(key, budget.why);
      logger.warn({ cuj: cuj.name, sli, why: budget.why }, 'error budget unknown');
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
        logger.error({ err: error, code }, 'error budget refresh failed');
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

/** The identity of an SLO: a changed SLO must not use the budget of the old one. */
function keyOf(cuj: Cuj, sli: SliName): string {
  return JSON.stringify([cuj.name, sli, cuj.sloIds[sli], cuj.sloWindow, cuj.objectives[sli]?.percent]);
}

function unrefInterval(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms);
  timer.unref();
  return () => clearInterval(timer);
}
