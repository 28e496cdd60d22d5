import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';

/** When an SLO alerts: one table for all that alerts are generated for. */

export interface BurnRate {
  readonly name: string;
  /** Times the rate at which the budget lasts exactly as long as the SLO's window. */
  readonly rate: number;
  /** The windows that must both exceed the rate. */
  readonly long: string;
  readonly short: string;
  readonly urgency: 'page' | 'ticket';
}

/**
 * Burn rates of alerts. (Google's SRE workbook, chapter 5, table 5-8: 2% of a 30-day budget in an hour, 5% in six, 10% in a
 * day.)
 */
export const burnRates = [
  { name: 'burn_1h', rate: 14.4, long: '1h', short: '5m', urgency: 'page' },
  { name: 'burn_6h', rate: 6, long: '6h', short: '30m', urgency: 'page' },
  { name: 'burn_24h', rate: 3, long: '24h', short: '2h', urgency: 'ticket' },
] as const satisfies readonly BurnRate[];

/** 10% in three days, by the same table. Datadog has no window of three days (at most 48 hours). */
export const slowestBurnRate: BurnRate = {
  name: 'burn_3d',
  rate: 1,
  long: '3d',
  short: '6h',
  urgency: 'ticket',
};

/**
 * The burn rates that an objective allows: at most 1 / error budget, which is 10 at 90%. One that is not possible becomes half
 * of the maximum: half of the requests are bad. Where that is within the objective, there is no alert. Datadog refuses
 * impossible ones, and with them the whole apply. (docs.datadoghq.com, Burn Rate Alerts.)
 */
export function burnRatesOf<Burn extends BurnRate>(
  { budgetPer100k }: Objective,
  all: readonly Burn[],
): readonly (Omit<Burn, 'rate'> & { readonly rate: number })[] {
  return all.flatMap((burn) => {
    if (burn.rate * budgetPer100k <= 100_000) return [burn];
    const rate = Math.floor(500_000 / budgetPer100k) / 10;
    return rate > 1 ? [{ ...burn, rate }] : [];
  });
}

/** How long the whole budget lasts at a rate, in words. */
export function budgetLasts({ sloWindow }: Pick<Cuj, 'sloWindow'>, rate: number): string {
  const left = Number.parseInt(sloWindow, 10) / rate;
  return left < 2 ? `${Math.round(left * 24)} hours` : `${Math.round(left * 10) / 10} days`;
}

/** The consumed budget, in percent, at which there is an alert if the registry has no policy. */
const defaultConsumed = 75;

/** The entries of the error budget policy that an alert can use, by consumed budget in percent: at most 100. */
export function budgetAlerts({
  errorBudgetPolicy,
}: Pick<Cuj, 'errorBudgetPolicy'>): { readonly consumed: number; readonly action?: string }[] {
  const points = errorBudgetPolicy
    .map((entry) => ({
      consumed: Math.round((1 - entry.below) * 100_000) / 1000,
      action: oneLine(entry.action),
    }))
    .filter(({ consumed }) => consumed > 0 && consumed <= 100)
    .sort((a, b) => a.consumed - b.consumed);
  return points.length === 0 ? [{ consumed: defaultConsumed }] : points;
}
