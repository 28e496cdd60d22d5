import type { Cuj, Registry } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { cujMeasuredBy } from '../../domain/registry/part-of-backend.ts';
import { sliKinds } from '../../domain/sli/table.ts';
import { prometheusDialect } from '../../sources/prometheus/query/dialect.ts';
import {
  type DurationSelectors,
  type EventSelectors,
  endpointLabel,
  everyOf,
  slowOf,
  sumOf,
  sumOfCounted,
  withinOf,
} from '../../sources/prometheus/query/event-queries.ts';
import { matcherText } from '../../sources/prometheus/query/label-matchers.ts';
import {
  recorded,
  recordedLabels,
  unclassifiedPart,
} from '../../sources/prometheus/query/recorded-series.ts';
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
/** Counter and histogram are compared over so long: they may be scraped apart, or count a request at its begin and at its end. */
const comparedOver = '6h';

/**
 * The SLOs of CUJs as Prometheus' rules, in `prometheus/`: recorded error ratios over the windows of the alerts, error budgets, and
 * alerts on how fast a budget burns. Two groups for each SLO, with their owner. Throws GenerateError where Prometheus measures no CUJ.
 */
export function prometheusSloRules(registry: Registry, options: SloRulesOptions = {}): GeneratedFile[] {
  const { slos, left } = prometheusSlos(registry);
  if (
    slos.length === 0 &&
    [...registry.cujs.values()].some(
      (cuj) => cujMeasuredBy({ dialect: prometheusDialect }, registry, cuj) !== undefined,
    )
  ) {
    throw new GenerateError(
      `prometheus-slos can make no rules of this registry: ${left.slice(0, 3).join('; ')}.`,
      'Change what the message names, or name what else to generate, such as analysis-templates and prometheus-rules.',
    );
  }
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
      ...[...slo.events].flatMap(([service, events]) => endpointRules(slo, service, events)),
      { record: recorded.requests, expr: `sum(${selectorOf(recorded.endpointRequests, id)})`, labels: id },
      { record: recorded.bad, expr: `sum(${selectorOf(recorded.endpointBad, id)})`, labels: id },
      ...(isTimed(slo)
        ? [
            {
              record: recorded.unclassified,
              // Durations that one endpoint lacks and another one has too many of are both unclassified.
              expr: `sum(abs(sum_over_time(${selectorOf(recorded.endpointUnclassified, id)}[${comparedOver}])))\n/ on ()\ncount_over_time(${selectorOf(recorded.requests, id)}[${comparedOver}])`,
              labels: id,
            },
          ]
        : []),
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
            description: `burns its error budget more than ${rate} times as fast as allowed, over ${long} and over ${short}: {{ $value | humanizePercentage }} of its requests ${sliKinds[slo.sli].badVerb} over ${long}. At ${rate} times, the budget of ${slo.cuj.sloWindow} lasts ${budgetLasts(slo.cuj, rate)}.`,
          }),
        };
      }),
    ],
  };
}

function isTimed({ sli }: PrometheusSlo): boolean {
  return sliKinds[sli].needsThreshold;
}

/** What is recorded of the endpoints of one service. */
function endpointRules(
  slo: PrometheusSlo,
  service: string,
  events: EventSelectors | DurationSelectors,
): RecordingRule[] {
  const id = { ...idOf(slo), service };
  const { endpointLabels } = events;
  const on = endpointLabels.length === 0 ? '' : endpointLabel;
  const labels = { ...id, ...(on === '' ? { [endpointLabel]: '*' } : {}) };
  const rate = (selector: string) => `rate(${selector}[${rateWindow}])`;
  const rates = (selectors: readonly string[]) => sumOf(selectors, endpointLabels, rate);
  const total = selectorOf(recorded.endpointRequests, id);
  const requests: RecordingRule = { record: recorded.endpointRequests, expr: rates(events.total), labels };
  const bad = (expr: string): RecordingRule => ({
    record: recorded.endpointBad,
    // A counter of failures is not there before the first one.
    expr: `${expr}\nor on (${on})\n0 * ${total}`,
    labels,
  });
  if (!('timed' in events)) return [requests, bad(rates(events.bad))];
  const { timed, comparedBy } = events;
  const timedRates = (part: typeof everyOf) => sumOf(timed, endpointLabels, (one) => part(one, rate));
  const within =
    comparedBy.length === 0 ? timedRates(withinOf) : sumOfCounted(timed, events.total, comparedBy, rate);
  // Of endpoints that the counter lacks, all durations are too many.
  const uncounted = on === '' ? '' : `\nor on (${on})\n0 - ${timedRates(everyOf)}`;
  return [
    requests,
    // rate() extrapolates, so that a bucket may seem to grow by more than all of them.
    bad(`clamp_min(${timedRates(slowOf)}, 0)`),
    {
      record: recorded.endpointUnclassified,
      expr: `${total}\n- on (${on})\n(${within} + on (${on}) ${selectorOf(recorded.endpointBad, id)})\nor on (${on})\n${total}${uncounted}`,
      labels,
    },
  ];
}

/**
 * The greater one of two ratios: of the mean over hours, in which durations that are too many at one time make up for none that are missing
 * at another one, and of the whole window, which is not behind.
 */
function unclassifiedOver(id: Readonly<Record<string, string>>, window: string): string {
  const total = `(sum_over_time(${selectorOf(recorded.requests, id)}[${window}]) > 0)`;
  const mean = `sum_over_time(${selectorOf(recorded.unclassified, id)}[${window}]) / ${total}`;
  const whole = `sum(abs(sum_over_time(${selectorOf(recorded.endpointUnclassified, id)}[${window}]))) / on () ${total}`;
  return `max(\n${mean}\nor\n${whole}\n)`;
}

/** Which part of the requests may be unclassified, before nothing is known of the budget. */
function unclassifiedLimit(slo: PrometheusSlo): string {
  return `${unclassifiedPart} * ${budgetText(slo.objective)}`;
}

function unclassifiedRules(slo: PrometheusSlo, options: SloRulesOptions): (RecordingRule | AlertingRule)[] {
  const id = idOf(slo);
  const total = selectorOf(recorded.requests, id);
  const limit = unclassifiedLimit(slo);
  const over = selectorOf(recorded.unclassifiedRatio, id);
  const now = `sum(abs(${selectorOf(recorded.endpointUnclassified, id)})) / on () (${total} > 0)`;
  return [
    {
      record: recorded.unclassifiedRatio,
      expr: `${selectorOf(recorded.unclassified, id)}\n/\n(avg_over_time(${total}[${comparedOver}]) > 0)`,
      labels: id,
    },
    {
      alert: 'CujRequestsUnclassified',
      expr: `${over} > ${limit}\nand on ()\n${now} > ${limit}`,
      for: '15m',
      labels: alertLabels(slo, 'ticket'),
      annotations: annotations(slo, options, 'CujRequestsUnclassified', {
        summary: `${slo.cuj.name} ${slo.sli} cannot be told of too many requests`,
        description: `has too many requests of which it is unknown whether they were slow: {{ $value | humanizePercentage }} over ${comparedOver}. They have no duration in the histogram, it has no bucket that ends at the threshold, or it counts other requests than total. No other alert sees whether they are slow. The error budget is unknown once they are more than ${unclassifiedPart * 100}% of it.`,
      }),
    },
  ];
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
      ...(isTimed(slo)
        ? [
            {
              record: recorded.windowUnclassifiedRatio,
              expr: unclassifiedOver(id, sloWindow),
              labels,
            },
          ]
        : []),
      {
        record: recorded.budgetRemaining,
        expr: [
          `1 - ${selectorOf(recorded.windowErrorRatio, labels)} / ${budgetText(slo.objective)}`,
          whereKnown(id, hours, 'h'),
          ...(isTimed(slo)
            ? [
                `and on ()\n${selectorOf(recorded.windowUnclassifiedRatio, labels)} <= ${unclassifiedLimit(slo)}`,
              ]
            : []),
        ].join('\n'),
        labels,
      },
      ...(isTimed(slo) ? unclassifiedRules(slo, options) : []),
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
  { cuj, sli, objective, bad }: PrometheusSlo,
  { publicUrl, docsUrl = defaultDocsUrl }: SloRulesOptions,
  alert: string,
  { summary, description }: { readonly summary: string; readonly description: string },
): Record<string, string> {
  const of = cuj.environment === undefined ? '' : `${cuj.environment}, `;
  return {
    summary,
    description: `${ruleText(titleOf(cuj))} (${cuj.name}, ${of}${sli}, objective ${objective.percent}%) ${description}`,
    [sliKinds[sli].needsThreshold ? 'slow' : 'failures']: ruleText(bad),
    runbook_url: cuj.runbook === undefined ? runbookUrl(docsUrl, alert) : ruleText(cuj.runbook),
    ...(publicUrl === undefined ? {} : { page_url: cujPage(publicUrl, cuj) }),
    docs: `docs/operations.md#${alert.toLowerCase()}`,
  };
}

function secondsOf(window: string): number {
  const units: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400 };
  return Number.parseInt(window, 10) * (units[window.slice(-1)] as number);
}
