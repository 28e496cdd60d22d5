import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, ErrorBudgetAction, Registry } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { sloName } from '../../sources/datadog/query/slo-queries.ts';
import { cujPage } from '../output/page-links.ts';
import { type CujSlo, datadogTags, goodMeans, titleOf } from './datadog-slos.ts';
import { cujResource, literal, sloIdExpression } from './terraform-names.ts';

interface MessageOptions {
  /** Handles at the end of the message; `{owner}` is the CUJ's. */
  readonly notify: readonly string[];
  readonly publicUrl?: string | undefined;
}

/**
 * Burn rates of alerts, each with the two windows that must both exceed it. (Google's SRE workbook, chapter 5,
 * table 5-8: 2% of a 30-day budget in an hour, 5% in six, 10% in a day.)
 */
export const burnRates = [
  { name: 'burn_1h', rate: 14.4, long: '1h', short: '5m', urgency: 'page' },
  { name: 'burn_6h', rate: 6, long: '6h', short: '30m', urgency: 'page' },
  { name: 'burn_24h', rate: 3, long: '24h', short: '2h', urgency: 'ticket' },
] as const;

type BurnRate = (typeof burnRates)[number];

/**
 * The same for one SLO. Datadog refuses a monitor whose burn rate is not possible (at most 1 / error budget: 10 at 90%),
 * and with it the whole apply. The burn rate is then half of the maximum: half of the requests are bad. Where that is
 * within the objective, there is no monitor. (docs.datadoghq.com, Burn Rate Alerts.)
 */
export function burnRatesOf({
  budgetPer100k,
}: Objective): readonly (Omit<BurnRate, 'rate'> & { rate: number })[] {
  return burnRates.flatMap((burn) => {
    if (burn.rate * budgetPer100k <= 100_000) return [burn];
    const rate = Math.floor(500_000 / budgetPer100k) / 10;
    return rate > 1 ? [{ ...burn, rate }] : [];
  });
}

/** The consumed budget, in percent, at which monitors alert if the registry has no policy. */
const defaultConsumed = 75;

/** Attributes of `datadog_monitor` resources by their names. */
export function sloMonitors(
  registry: Registry,
  slo: CujSlo,
  options: MessageOptions,
): Record<string, Record<string, unknown>> {
  const { cuj, sli } = slo;
  const resource = cujResource(cuj, sli);
  const id = `"\${${sloIdExpression(cuj, sli)}}"`;
  const common = {
    type: 'slo alert',
    // Without this, the provider would query Datadog at plan time for an SLO that does not exist yet.
    validate: false,
    tags: datadogTags(registry, cuj),
  };
  const monitors: Record<string, Record<string, unknown>> = {};
  for (const { name, rate, long, short, urgency } of burnRatesOf(slo.objective)) {
    monitors[`${resource}_${name}`] = {
      name: `${sloName(cuj, sli)} burns its error budget ${rate}x (${long}/${short})`,
      ...common,
      priority: urgency === 'page' ? String(cuj.tier) : String(cuj.tier + 2),
      query: `burn_rate(${id}).over("${cuj.sloWindow}").long_window("${long}").short_window("${short}") > ${rate}`,
      monitor_thresholds: [{ critical: String(rate) }],
      message: message(slo, options, [
        `${subject(slo)} burns its error budget ${rate} times as fast as allowed, over ${long} and over ${short}.`,
        `At this rate the budget of ${cuj.sloWindow} lasts ${days(cuj, rate)}.`,
      ]),
    };
  }
  for (const { consumed, action } of budgetAlerts(cuj)) {
    monitors[`${resource}_budget_${String(consumed).replace('.', '_')}`] = {
      name: `${sloName(cuj, sli)} has used ${consumed}% of its error budget`,
      ...common,
      priority: String(cuj.tier + 1),
      query: `error_budget(${id}).over("${cuj.sloWindow}") > ${consumed}`,
      monitor_thresholds: [{ critical: String(consumed) }],
      message: message(slo, options, [
        `${subject(slo)} has used ${consumed}% of the error budget of ${cuj.sloWindow}.`,
        ...(action === undefined ? [] : [`Agreed: ${action}`]),
      ]),
    };
  }
  return monitors;
}

/** The entries of the error budget policy that an alert can use: Datadog allows consumed budget up to 100%. */
function budgetAlerts(cuj: Cuj): { readonly consumed: number; readonly action?: string }[] {
  const points = cuj.errorBudgetPolicy
    .map((entry: ErrorBudgetAction) => ({
      consumed: Math.round((1 - entry.below) * 100_000) / 1000,
      action: oneLine(entry.action),
    }))
    .filter(({ consumed }) => consumed > 0 && consumed <= 100)
    .sort((a, b) => a.consumed - b.consumed);
  return points.length === 0 ? [{ consumed: defaultConsumed }] : points;
}

function subject({ cuj, sli, objective }: CujSlo): string {
  const of = cuj.environment === undefined ? '' : `${cuj.environment}, `;
  return `${oneLine(titleOf(cuj))} (${cuj.name}, ${of}${sli}, objective ${objective.percent}%)`;
}

function days(cuj: Cuj, rate: number): string {
  const left = Number.parseInt(cuj.sloWindow, 10) / rate;
  return left < 2 ? `${Math.round(left * 24)} hours` : `${Math.round(left * 10) / 10} days`;
}

function message(slo: CujSlo, { notify, publicUrl }: MessageOptions, lines: readonly string[]): string {
  const { cuj } = slo;
  const handles = notify.map((handle) => handle.replaceAll('{owner}', () => cuj.owner));
  return literal(
    [
      ...lines,
      `Good events: ${goodMeans(slo)}.`,
      ...(cuj.description === undefined ? [] : [oneLine(cuj.description)]),
      '',
      `Owner: ${oneLine(cuj.owner)}`,
      ...(cuj.runbook === undefined ? [] : [`Runbook: ${cuj.runbook}`]),
      ...(publicUrl === undefined ? [] : [`Error budget and releases: ${cujPage(publicUrl, cuj)}`]),
      ...(handles.length === 0 ? [] : ['', handles.join(' ')]),
    ].join('\n'),
  );
}
