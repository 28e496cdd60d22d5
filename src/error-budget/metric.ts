import { Gauge, type Registry } from 'prom-client';
import type { ErrorBudgets } from './refresher.ts';

/** What is left of one error budget. */
export type RemainingBudget = ReturnType<ErrorBudgets['remaining']>[number] & {
  /** Absent where the registry has no environments. */
  readonly environment?: string;
};

/**
 * `cuj_gate_error_budget_remaining_ratio{environment,cuj,sli}`, of the CUJs whose budget can change their rule. An unknown
 * budget has no sample, so that no dashboard shows a number for it.
 */
export function registerErrorBudgetMetric(
  metrics: Registry,
  budgets: { readonly remaining: () => readonly RemainingBudget[] },
): void {
  new Gauge({
    name: 'cuj_gate_error_budget_remaining_ratio',
    help: "Share of the error budget that is left in the SLO's window; below 0 it is overspent.",
    labelNames: ['environment', 'cuj', 'sli'],
    registers: [metrics],
    collect() {
      this.reset();
      for (const { ratio, ...labels } of budgets.remaining()) this.set(labels, ratio);
    },
  });
}
