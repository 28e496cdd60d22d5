import { createHash } from 'node:crypto';
import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry, Service } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { cujMeasuredBy } from '../../domain/registry/part-of-backend.ts';
import type { SliName } from '../../domain/sli/table.ts';
import { datadogDialect } from '../../sources/datadog/query/dialect.ts';
import { prometheusDialect } from '../../sources/prometheus/query/dialect.ts';
import { sumOf, type TimedSelector, withinOf } from '../../sources/prometheus/query/event-queries.ts';
import { type BurnRate, burnRates } from '../alerts/burn-rates.ts';
import { isLabelValue } from '../argo/kubernetes-metadata.ts';
import { type CujSlo, goodMeans, slosOf, titleOf } from '../datadog/datadog-slos.ts';
import { type GeneratedFile, GenerateError, sortedBy } from '../output/generated-file.ts';
import { type YamlDocument, yamlText } from '../output/yaml-text.ts';
import { type PrometheusSlo, slosOfPrometheus } from '../prometheus/cuj-slos.ts';

const apiVersion = 'openslo/v1';

/** OpenSLO's limits, in characters. */
const nameLength = 63;
const displayNameLength = 63;
const descriptionLength = 1050;

/**
 * OpenSLO v1 in `openslo/`: a file for each CUJ (its SLOs with their indicators), for each service, and for each owner (a
 * notification target and the alert policies, which are the same for all that a team owns).
 */
export function openslo(registry: Registry): GeneratedFile[] {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  const services = new Set(cujs.map((cuj) => cuj.services[0] as string));
  const owners = new Set(cujs.map((cuj) => cuj.owner));
  return [
    ...cujs.flatMap((cuj) => {
      const slos = sourcedSlos(registry, cuj).map(slo);
      return slos.length === 0 ? [] : [file(`cuj-${cuj.name}`, slos)];
    }),
    ...[...services]
      .sort()
      .map((name) => file(`service-${nameOf(name)}`, [service(registry.services.get(name) as Service)])),
    ...[...owners]
      .sort()
      .map((owner) =>
        file(`owner-${nameOf(owner)}`, [target(owner), ...burnRates.map((rate) => policy(owner, rate))]),
      ),
  ];
}

function file(name: string, documents: readonly Record<string, unknown>[]): GeneratedFile {
  const [first, ...more] = documents;
  const head = [
    'Generated from the CUJ registry by `cuj-gate generate openslo`: change the registry, not this file.',
  ];
  const all: YamlDocument[] = [{ head, value: first }, ...more.map((value) => ({ head: [], value }))];
  return { path: `openslo/${name}.yaml`, text: yamlText(all) };
}

/** An SLO with what its indicator is measured by. */
interface SourcedSlo {
  readonly cuj: Cuj;
  readonly sli: SliName;
  readonly objective: Objective;
  readonly ratioMetric: Record<string, unknown>;
  /** Which requests are good, in words. */
  readonly good: string;
}

function sourcedSlos(registry: Registry, cuj: Cuj): SourcedSlo[] {
  const unknown = cuj.services
    .flatMap((name) => registry.services.get(name)?.dialect ?? [])
    .find((dialect) => dialect !== datadogDialect && dialect !== prometheusDialect);
  if (unknown !== undefined) {
    throw new GenerateError(
      `openslo works with Datadog and Prometheus, and ${cuj.name} is measured by ${unknown.backend}.`,
      'Name what else to generate, such as analysis-templates and prometheus-rules.',
    );
  }
  // OpenSLO has one source for a query, and no language has queries of two backends: an SLI over both has no SLO.
  const inPrometheus = cujMeasuredBy({ dialect: prometheusDialect }, registry, cuj);
  const inDatadog = cujMeasuredBy({ dialect: datadogDialect }, registry, cuj);
  return [
    ...(inPrometheus === undefined ? [] : slosOfPrometheus(registry, inPrometheus)).map((of) => ({
      cuj,
      sli: of.sli,
      objective: of.objective,
      ratioMetric: prometheusRatio(of),
      good: of.good,
    })),
    ...(inDatadog === undefined ? [] : slosOf(registry, inDatadog)).map((of) => ({
      cuj,
      sli: of.sli,
      objective: of.objective,
      // Datadog's as_count() returns the events of an interval, not a monotonic counter.
      ratioMetric: {
        counter: false,
        [of.events.queried]: source(of, of.events[of.events.queried]),
        total: source(of, of.events.total),
      },
      good: goodMeans(of),
    })),
  ];
}

/**
 * Counters as they are: what reads OpenSLO makes rates of them. Slow requests are the rest of the fast ones, so that a request without a
 * duration is not good.
 */
function prometheusRatio({ events }: PrometheusSlo): Record<string, unknown> {
  const all = [...events.values()];
  const sum = (counts: readonly string[]) => ({
    metricSource: { type: 'Prometheus', spec: { query: sumOf(counts, [], (one) => one) } },
  });
  const within = all.flatMap((one) => ('timed' in one ? one.timed.map(countWithin) : []));
  const bad = all.flatMap((one) => ('bad' in one ? one.bad : []));
  return {
    counter: true,
    ...(within.length === 0 ? { bad: sum(bad) } : { good: sum(within) }),
    total: sum(all.flatMap(({ total }) => total)),
  };
}

function countWithin(one: TimedSelector): string {
  const count = withinOf(one, (selector) => selector);
  // A part times a count is whole but for its last digit, and a counter that falls by that is one that began again.
  return one.kind === 'native' ? `round(${count})` : count;
}

function slo(of: SourcedSlo): Record<string, unknown> {
  const { cuj, sli, objective, ratioMetric } = of;
  const name = `${cuj.name}-${sli}`;
  return {
    apiVersion,
    kind: 'SLO',
    metadata: {
      name,
      displayName: cut(`${oneLine(titleOf(cuj))}: ${sli}`, displayNameLength),
      labels: labels(cuj),
    },
    spec: {
      description: cut(description(of), descriptionLength),
      service: nameOf(cuj.services[0] as string),
      indicator: {
        metadata: { name },
        spec: { ratioMetric },
      },
      timeWindow: [{ duration: cuj.sloWindow, isRolling: true }],
      budgetingMethod: 'Occurrences',
      objectives: [
        {
          displayName: cut(`${objective.percent}% of ${of.good}`, descriptionLength),
          target: objective.ratio,
        },
      ],
      alertPolicies: burnRates.map((rate) => policyName(cuj.owner, rate)),
    },
  };
}

/** A formula over named queries as one text, with each name replaced by its query. */
function source({ events }: CujSlo, formula: string): Record<string, unknown> {
  const queries = new Map(events.queries.map(({ name, query }) => [name, query]));
  const query = formula.replace(/[a-z_]+\d*/g, (name) => queries.get(name) ?? name);
  return { metricSource: { type: 'Datadog', spec: { query } } };
}

function service({ name, env }: Service): Record<string, unknown> {
  return {
    apiVersion,
    kind: 'Service',
    metadata: { name: nameOf(name), displayName: cut(name, displayNameLength) },
    spec: { description: `Service ${name} in ${env}` },
  };
}

function target(owner: string): Record<string, unknown> {
  return {
    apiVersion,
    kind: 'AlertNotificationTarget',
    metadata: { name: nameOf(owner), displayName: cut(oneLine(owner), displayNameLength) },
    spec: {
      target: nameOf(owner),
      description: cut(`On-call of ${oneLine(owner)}`, descriptionLength),
    },
  };
}

function policy(owner: string, rate: BurnRate): Record<string, unknown> {
  const name = policyName(owner, rate);
  return {
    apiVersion,
    kind: 'AlertPolicy',
    metadata: { name, displayName: cut(`${oneLine(owner)}: burn ${rate.rate}x`, displayNameLength) },
    spec: {
      description: `The error budget burns ${rate.rate} times as fast as allowed, over ${rate.long} and over ${rate.short}.`,
      alertWhenNoData: false,
      alertWhenBreaching: true,
      alertWhenResolved: true,
      conditions: [
        {
          kind: 'AlertCondition',
          metadata: { name },
          spec: {
            severity: rate.urgency,
            condition: {
              kind: 'burnrate',
              op: 'gt',
              threshold: rate.rate,
              lookbackWindow: rate.long,
              alertAfter: rate.short,
            },
          },
        },
      ],
      notificationTargets: [{ targetRef: nameOf(owner) }],
    },
  };
}

function policyName(owner: string, { name }: BurnRate): string {
  return nameOf(`${nameOf(owner, nameLength - 9)}-${name.replace('_', '-')}`);
}

function labels(cuj: Cuj): Record<string, string> {
  const { environment } = cuj;
  const all = {
    cuj: cuj.name,
    ...(environment === undefined ? {} : { environment }),
    owner: cuj.owner,
    tier: String(cuj.tier),
    mode: cuj.mode,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => isLabelValue(value)));
}

function description({ cuj, good }: SourcedSlo): string {
  return [
    ...(cuj.description === undefined ? [] : [oneLine(cuj.description)]),
    `Good events: ${good}.`,
    ...(cuj.runbook === undefined ? [] : [`Runbook: ${cuj.runbook}`]),
  ].join(' ');
}

/** A valid OpenSLO name (RFC 1123, at most 63 characters). Other names are normalised, with a hash of the original. */
function nameOf(text: string, max = nameLength): string {
  if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text) && text.length <= max) return text;
  const normalised = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return `${normalised.slice(0, max - 9).replace(/-+$/, '') || 'x'}-${hash}`;
}

function cut(text: string, max: number): string {
  const characters = Array.from(text);
  return characters.length <= max ? text : `${characters.slice(0, max - 3).join('')}...`;
}
