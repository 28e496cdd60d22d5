import type { Cuj, Registry } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { endpointLabel, sumOf } from '../../sources/prometheus/query/event-queries.ts';
import { matcherText } from '../../sources/prometheus/query/label-matchers.ts';
import { recorded, recordedLabels } from '../../sources/prometheus/query/recorded-series.ts';
import { budgetAlerts, budgetLasts, burnRates, burnRatesOf, slowestBurnRate } from '../alerts/burn-rates.ts';
import { defaultDocsUrl, runbookUrl } from '../alerts/runbook-links.ts';
import { titleOf } from '../datadog/datadog-slos.ts';
import { type GeneratedFile, GenerateError } from '../output/generated-file.ts';
import { cujPage } from '../output/page-links.ts';
import { type PrometheusSlo, prometheusSlos } from './cuj-slos.ts';
import {
  type AlertingRule,
  type OwnedGroups,
  type RecordingRule,
  type RuleGroup,
  type RulesFormat,
  rulesFiles,
  ruleText,
} from './rules-file.ts';

export interface SloRulesOptions {
  readonly publicUrl?: string | undefined;
  readonly docsUrl?: string | undefined;
  readonly format?: RulesFormat | undefined;
  readonly namespace?: string | undefined;
}

const allBurnRates = [...burnRates, slowestBurnRate];
/** Every window that some alert looks at, each once. */
const windows = [...new Set(allBurnRates.flatMap(({ short, long }) => [short, long]))].sort(
  (a, b) => secondsOf(a) - secondsOf(b),
);
/** Of the recorded rates themselves: five scrapes of a minute. */
const rateWindow = '5m';
/** Samples of the whole window are summed up: not at every evaluation of the other rules. Below the 5 minutes after which a series is stale. */
const budgetInterval = '2m';
/**
 * A window is known once data is as old as this part of it. Of an SLO's, 10 days of 30, since Prometheus keeps 15 by default. Of an
 * alert's, so that the first failure after the rules are loaded is not that of a whole window.
 */
const knownFrom = 1 / 3;

/**
 * The SLOs of CUJs as Prometheus' rules, in `prometheus/`: recorded error ratios over the windows of the alerts, error budgets, and
 * alerts on how fast a budget burns. Two groups for each SLO, with their owner. Throws GenerateError where Prometheus measures no CUJ.
 */
export function prometheusSloRules(registry: Registry, options: SloRulesOptions = {}): GeneratedFile[] {
  const { slos, left } = prometheusSlos(registry);
  if (slos.length === 0) {
    throw new GenerateError(
      `prometheus-slos makes rules of CUJs that Prometheus measures, and there is none in this registry${left.length === 0 ? '' : ` (${left.slice(0, 3).join('; ')})`}.`,
      'Set CUJ_GATE_BACKEND=prometheus, and give every service a source; for Datadog, generate terraform.',
    );
  }
  const byCuj = new Map<Cuj, PrometheusSlo[]>();
  for (const slo of slos) byCuj.set(slo.cuj, [...(byCuj.get(slo.cuj) ?? []), slo]);
  const all = [...byCuj].map(
    ([cuj, own]): OwnedGroups => ({
      name: `cuj-${cuj.name}-slos`,
      owner: ruleText(cuj.owner),
      groups: own.flatMap((slo) => [burnGroup(slo, options), budgetGroup(slo, options)]),
    }),
  );
  const head = [
    'Generated from the CUJ registry by `cuj-gate generate prometheus-slos`: change the registry, not this file.',
    '',
    'severity: page means that the budget is used up within days; ticket means that it should be looked at this week.',
    'Route by the labels severity, owner and tier.',
    ...(left.length === 0 ? [] : ['', 'Not in here:', ...left.map((one) => `- ${one}`)]),
  ];
  return rulesFiles('cujs', head, all, options.format, options.namespace);
}

function burnGroup(slo: PrometheusSlo, options: SloRulesOptions): RuleGroup {
  const id = idOf(slo);
  return {
    name: groupName(slo, 'burn'),
    rules: [
      ...[...slo.events].flatMap(([service, events]): RecordingRule[] => {
        const isWhole = events.endpointLabels.length === 0;
        const labels = { ...id, service, ...(isWhole ? { [endpointLabel]: '*' } : {}) };
        const rate = (selectors: readonly string[]) =>
          sumOf(selectors, events.endpointLabels, (selector) => `rate(${selector}[${rateWindow}])`);
        const total = selectorOf(recorded.endpointRequests, { ...id, service });
        return [
          { record: recorded.endpointRequests, expr: rate(events.total), labels },
          {
            record: recorded.endpointBad,
            // A counter of failures is not there before the first one.
            expr: `${rate(events.bad)}\nor on (${isWhole ? '' : endpointLabel})\n0 * ${total}`,
            labels,
          },
        ];
      }),
      { record: recorded.requests, expr: `sum(${selectorOf(recorded.endpointRequests, id)})`, labels: id },
      { record: recorded.bad, expr: `sum(${selectorOf(recorded.endpointBad, id)})`, labels: id },
      ...windows.map(
        (window): RecordingRule => ({
          record: recorded.errorRatio(window),
          expr: ratioOver(id, window),
          labels: id,
        }),
      ),
      ...burnRatesOf(slo.objective, allBurnRates).map(({ rate, long, short, urgency }): AlertingRule => {
        const above = `${rate} * ${budgetText(slo.objective)}`;
        return {
          alert: 'CujBurnsErrorBudget',
          expr: `${selectorOf(recorded.errorRatio(long), id)} > ${above}\nand\n${selectorOf(recorded.errorRatio(short), id)} > ${above}\n${whereKnown(id, secondsOf(long) / 60, 'm')}`,
          labels: { ...alertLabels(slo, urgency), window: long },
          annotations: annotations(slo, options, 'CujBurnsErrorBudget', {
            summary: `${slo.cuj.name} ${slo.sli} burns its error budget ${rate}x (${long}/${short})`,
            description: `burns its error budget more than ${rate} times as fast as allowed, over ${long} and over ${short}: {{ $value | humanizePercentage }} of its requests failed over ${long}. At ${rate} times, the budget of ${slo.cuj.sloWindow} lasts ${budgetLasts(slo.cuj, rate)}.`,
          }),
        };
      }),
    ],
  };
}

function budgetGroup(slo: PrometheusSlo, options: SloRulesOptions): RuleGroup {
  const id = idOf(slo);
  const { sloWindow } = slo.cuj;
  const labels = { ...id, slo_window: sloWindow };
  const hours = Number.parseInt(sloWindow, 10) * 24;
  const left = selectorOf(recorded.budgetRemaining, labels);
  return {
    name: groupName(slo, 'budget'),
    interval: budgetInterval,
    rules: [
      { record: recorded.objective, expr: `vector(${slo.objective.ratio})`, labels },
      { record: recorded.windowErrorRatio, expr: ratioOver(id, sloWindow), labels },
      {
        record: recorded.budgetRemaining,
        expr: `1 - ${selectorOf(recorded.windowErrorRatio, labels)} / ${budgetText(slo.objective)}\n${whereKnown(id, hours, 'h')}`,
        labels,
      },
      ...budgetAlerts(slo.cuj).map(
        ({ consumed, action }): AlertingRule => ({
          alert: 'CujErrorBudgetUsed',
          expr: `${left} < ${Math.round(100_000 - consumed * 1_000) / 100_000}`,
          labels: { ...alertLabels(slo, 'ticket'), used: `${consumed}%` },
          annotations: annotations(slo, options, 'CujErrorBudgetUsed', {
            summary: `${slo.cuj.name} ${slo.sli} has used ${consumed}% of its error budget`,
            description: `has used more than ${consumed}% of the error budget of ${sloWindow}: {{ $value | humanizePercentage }} of it is left.${action === undefined ? '' : ` Agreed: ${ruleText(action)}`}`,
          }),
        }),
      ),
    ],
  };
}

/** Bad of all events in a window, by the recorded rates: each evaluation counts as much as its traffic. Nothing where there was none. */
function ratioOver(id: Readonly<Record<string, string>>, window: string): string {
  const bad = selectorOf(recorded.bad, id);
  const total = selectorOf(recorded.requests, id);
  if (window === rateWindow) return `${bad}\n/\n(${total} > 0)`;
  return `sum_over_time(${bad}[${window}])\n/\n(sum_over_time(${total}[${window}]) > 0)`;
}

/** A condition: there are records of a window's first two thirds. */
function whereKnown(id: Readonly<Record<string, string>>, window: number, unit: 'm' | 'h'): string {
  const since = Math.round(window * knownFrom);
  const requests = selectorOf(recorded.requests, id);
  return `and on ()\npresent_over_time(${requests}[${window - since}${unit}] offset ${since}${unit})`;
}

function idOf({ cuj, sli }: PrometheusSlo): Record<string, string> {
  return recordedLabels(cuj, sli);
}

function selectorOf(name: string, labels: Readonly<Record<string, string>>): string {
  const matchers = Object.entries(labels).map(([label, value]) =>
    matcherText({ label, operator: '=', value }),
  );
  return `${name}{${matchers.join(',')}}`;
}

function groupName({ cuj, sli }: PrometheusSlo, part: string): string {
  return `cuj-gate-slo-${cuj.name}-${sli}-${part}${cuj.environment === undefined ? '' : `-in-${cuj.environment}`}`;
}

function budgetText({ budget }: Objective): string {
  return String(budget);
}

function alertLabels(slo: PrometheusSlo, severity: 'page' | 'ticket'): Record<string, string> {
  const { cuj } = slo;
  return { severity, ...idOf(slo), owner: ruleText(cuj.owner), tier: String(cuj.tier) };
}

/** `description` follows the CUJ's name. */
function annotations(
  { cuj, sli, objective, failures }: PrometheusSlo,
  { publicUrl, docsUrl = defaultDocsUrl }: SloRulesOptions,
  alert: string,
  { summary, description }: { readonly summary: string; readonly description: string },
): Record<string, string> {
  const of = cuj.environment === undefined ? '' : `${cuj.environment}, `;
  return {
    summary,
    description: `${ruleText(titleOf(cuj))} (${cuj.name}, ${of}${sli}, objective ${objective.percent}%) ${description}`,
    failures: ruleText(`Requests with ${failures} fail.`),
    runbook_url: cuj.runbook === undefined ? runbookUrl(docsUrl, alert) : ruleText(cuj.runbook),
    ...(publicUrl === undefined ? {} : { page_url: cujPage(publicUrl, cuj) }),
    docs: `docs/operations.md#${alert.toLowerCase()}`,
  };
}

function secondsOf(window: string): number {
  const units: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400 };
  return Number.parseInt(window, 10) * (units[window.slice(-1)] as number);
}
