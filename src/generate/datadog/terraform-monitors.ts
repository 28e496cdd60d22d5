import { oneLine } from '../../domain/outside-text.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { sloName } from '../../sources/datadog/query/slo-queries.ts';
import { budgetAlerts, budgetLasts, burnRates, burnRatesOf } from '../alerts/burn-rates.ts';
import { cujPage } from '../output/page-links.ts';
import { type CujSlo, datadogTags, goodMeans, titleOf } from './datadog-slos.ts';
import { cujResource, literal, sloIdExpression, withoutTemplates } from './terraform-names.ts';

interface MessageOptions {
  /** Handles at the end of the message; `{owner}` is the CUJ's. */
  readonly notify: readonly string[];
  readonly publicUrl?: string | undefined;
}

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
  for (const { name, rate, long, short, urgency } of burnRatesOf(slo.objective, burnRates)) {
    monitors[`${resource}_${name}`] = {
      name: `${sloName(cuj, sli)} burns its error budget ${rate}x (${long}/${short})`,
      ...common,
      priority: urgency === 'page' ? String(cuj.tier) : String(cuj.tier + 2),
      query: `burn_rate(${id}).over("${cuj.sloWindow}").long_window("${long}").short_window("${short}") > ${rate}`,
      monitor_thresholds: [{ critical: String(rate) }],
      message: message(slo, options, [
        `${subject(slo)} burns its error budget ${rate} times as fast as allowed, over ${long} and over ${short}.`,
        `At this rate the budget of ${cuj.sloWindow} lasts ${budgetLasts(cuj, rate)}.`,
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

function subject({ cuj, sli, objective }: CujSlo): string {
  const of = cuj.environment === undefined ? '' : `${cuj.environment}, `;
  return `${oneLine(titleOf(cuj))} (${cuj.name}, ${of}${sli}, objective ${objective.percent}%)`;
}

function message(slo: CujSlo, { notify, publicUrl }: MessageOptions, lines: readonly string[]): string {
  const { cuj } = slo;
  const handles = notify.map((handle) => handle.replaceAll('{owner}', () => withoutTemplates(cuj.owner)));
  const words = [
    ...lines,
    `Good events: ${goodMeans(slo)}.`,
    ...(cuj.description === undefined ? [] : [oneLine(cuj.description)]),
    '',
    `Owner: ${oneLine(cuj.owner)}`,
    ...(cuj.runbook === undefined ? [] : [`Runbook: ${cuj.runbook}`]),
    ...(publicUrl === undefined ? [] : [`Error budget and releases: ${cujPage(publicUrl, cuj)}`]),
  ];
  return literal(
    [...words.map(withoutTemplates), ...(handles.length === 0 ? [] : ['', handles.join(' ')])].join('\n'),
  );
}
