import { Gauge, type Registry } from 'prom-client';
import type { ErrorBudgets } from './refresher.ts';

/**
 * `cuj_gate_error_budget_remaining_ratio{cuj,sli}`, of the CUJs whose budget can change their rule. An unknown budget has
 * no sample, so that no dashboard shows a number for it.
 */
export function registerErrorBudgetMetric(metrics: Registry, budgets: Pick<ErrorBudgets, 'remaining'>): void {
  new Gauge({
    name: 'cuj_gate_error_budget_remaining_ratio',
    help: "Share of the error budget that is left in the SLO's window; below 0 it is overspent.",
    labelNames: ['cuj', 'sli'],
    registers: [metrics],
    collect() {
      this.reset();
      for (const { cuj, sli, ratio } of budgets.remaining()) this.set({ cuj, sli }, ratio);
    },
  });
}
