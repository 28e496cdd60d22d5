import { type BySli, forEverySli } from '../sli/by-sli.ts';
import { type SliName, sliKinds, sliNames } from '../sli/table.ts';
import type { RoutePlace } from './duplicate-routes.ts';
import type { Reporter } from './findings.ts';
import type { Cuj, Endpoint, ErrorBudgetAction } from './model.ts';
import { hasAtMostThreeDecimals, type Objective, objectiveOf } from './objective.ts';
import { readClient } from './resolve-client.ts';
import { checkGate, checkSlo, type Defaults, gatePolicy } from './resolve-defaults.ts';
import {
  type EndpointScope,
  mayHaveLatency,
  readEndpoints,
  withoutDurationsFix,
} from './resolve-endpoints.ts';
import type { AnyCujDocument, CujDocument } from './schema.ts';
import type { SourceDialect } from './source-dialect.ts';

export interface ResolvedCuj {
  readonly cuj: Cuj;
  readonly places: readonly RoutePlace[];
}

const noSloIds = Object.freeze({});

/** The SLIs that need a threshold (`latencyMs`). */
const thresholdSlis = sliNames.filter((sli) => sliKinds[sli].needsThreshold);
/** The SLIs of the client side. */
const clientSlis = sliNames.filter((sli) => sliKinds[sli].ofClient);
/** The SLIs of endpoints. */
const serverSlis = sliNames.filter((sli) => !sliKinds[sli].ofClient);

/**
 * One CUJ with the defaults applied. A default objective applies to every CUJ. Where the SLI needs a threshold
 * (`latencyMs`), it applies only to CUJs that give one, because without a threshold there is nothing to count.
 */
export function resolveCuj(
  document: CujDocument,
  defaults: Defaults,
  scope: EndpointScope,
  reporter: Reporter,
): ResolvedCuj {
  checkSlo(document.slo, reporter);
  checkGate(document.gate, defaults, reporter);
  const read = readEndpoints(document, scope, reporter);
  const onClient = readClient(document, scope, reporter);
  const dialect = scope.dialects.ofService(document.service ?? read[0]?.endpoint.service);
  const objectives = resolveObjectives(document, defaults, mayHaveLatency(read, scope), dialect, reporter);
  checkSloIds(document, objectives, defaults, reporter);
  const usesThresholds = thresholdSlis.some((sli) => objectives[sli] !== undefined);
  const countsFailures = sliNames.some(
    (sli) =>
      objectives[sli] !== undefined && sliKinds[sli].countsFailures === true && !sliKinds[sli].ofClient,
  );
  const ofServers: Endpoint[] = read.map(({ endpoint }) => {
    const timed = !usesThresholds && endpoint.latencyMs !== undefined;
    const own = timed ? { ...endpoint, latencyMs: undefined } : endpoint;
    if (countsFailures || own.failure === undefined) return own;
    const { failure: _, ...rest } = own;
    return rest;
  });
  // Without an objective, which is reported, nothing counts them.
  const endpoints = [...ofServers, ...(clientSlis.some((sli) => objectives[sli]) ? onClient : [])];
  const services = [...new Set(endpoints.map((endpoint) => endpoint.service))];
  const cuj: Cuj = {
    ...described(document),
    endpoints,
    services,
    sloWindow: document.slo?.window ?? defaults.slo.window,
    objectives,
    sloIds: document.sloId ?? noSloIds,
    gate: {
      ...gatePolicy(document.gate, defaults),
      ...(document.gate?.warmUp === undefined ? warmUpOfServices(services, scope) : {}),
    },
    errorBudgetPolicy: resolvePolicy(document, reporter),
  };
  return { cuj, places: read };
}

/** What is written about a CUJ, whether it is judged or retired. */
function described(document: AnyCujDocument) {
  return {
    name: document.name,
    ...aliasesOf(document),
    title: document.title,
    description: document.description,
    owner: document.owner,
    runbook: document.runbook,
    tier: (document.tier ?? 2) as 1 | 2 | 3,
    mode: document.mode ?? ('enforce' as const),
  };
}

/** A CUJ that is no longer judged. What else is written about it may refer to what is gone, and is not read. */
export function retiredCuj(document: AnyCujDocument, retired: string, { slo, policy }: Defaults): Cuj {
  return {
    // The mode too: one that only reported must not pause a rollout now.
    ...described(document),
    retired,
    endpoints: [],
    services: [],
    sloWindow: slo.window,
    objectives: {},
    sloIds: noSloIds,
    gate: policy,
    errorBudgetPolicy: [],
  };
}

function aliasesOf({ aliases }: AnyCujDocument): Pick<Cuj, 'aliases'> {
  return aliases === undefined ? {} : { aliases };
}

/** The longest warm-up of its services, where any has one of its own: it replaces the default. */
function warmUpOfServices(names: readonly string[], scope: EndpointScope): Pick<Cuj['gate'], 'warmUpMs'> {
  const own = names.flatMap((name) => scope.services.get(name)?.warmUpMs ?? []);
  if (own.length === 0) return {};
  const longest: { [sli in SliName]?: number } = {};
  for (const sli of sliNames) {
    const spans = own.flatMap((one) => one[sli] ?? []);
    if (spans.length > 0) longest[sli] = Math.max(...spans);
  }
  return { warmUpMs: longest };
}

function resolveObjectives(
  document: CujDocument,
  defaults: Defaults,
  timed: boolean,
  dialect: SourceDialect,
  reporter: Reporter,
): BySli<Objective> {
  const own = document.slo ?? {};
  const thresholds = thresholdPlaces(document);
  const percents: BySli<number | undefined> = forEverySli(
    (sli, { needsThreshold, ofClient = false }) =>
      own[sli] ??
      ((needsThreshold && thresholds.length === 0) || (ofClient && document.client === undefined)
        ? undefined
        : defaults.slo[sli]),
  );
  const has = (sli: SliName) => percents[sli] !== undefined;
  checkClientObjectives(document, percents, defaults, reporter);
  if (!timed) {
    for (const sli of thresholdSlis)
      if (own[sli] !== undefined) latencyOnTemplate(['slo', sli], own[sli], dialect, reporter);
    if (document.latencyMs !== undefined)
      latencyOnTemplate(['latencyMs'], document.latencyMs, dialect, reporter);
  } else if (thresholds.length === 0) {
    for (const sli of thresholdSlis.filter((name) => own[name] !== undefined)) {
      reporter.value(
        ['slo', sli],
        'latency-without-threshold',
        own[sli],
        `the CUJ "${document.name}" has a ${sli} objective, but no latencyMs says what is ${sliKinds[sli].badWord}`,
        `Add latencyMs to the CUJ or to its endpoints, or remove the ${sli} objective.`,
      );
    }
  } else if (!thresholdSlis.some(has) && !defaults.broken) {
    for (const { path, value } of thresholds) {
      reporter.key(
        path,
        'threshold-without-objective',
        value,
        `latencyMs is set, but the CUJ "${document.name}" has no ${thresholdSlis.join(' or ')} objective`,
        `Add slo.${thresholdSlis[0]}, such as 99, to the CUJ or to the defaults, or remove latencyMs.`,
      );
    }
  }
  if (!serverSlis.some(has) && thresholds.length === 0 && !defaults.broken) {
    reporter.missing(
      [],
      'no-objective',
      clientSlis.some(has)
        ? `the CUJ "${document.name}" has an objective for its client side only, so nothing judges its endpoints`
        : `the CUJ "${document.name}" has no objective, so there is nothing to judge it by`,
      `Add slo.${sliNames.find((sli) => !sliKinds[sli].needsThreshold)}, such as 99.95, to the CUJ or to the defaults.`,
    );
  }
  const objectives: { [sli in SliName]?: Objective } = {};
  for (const sli of sliNames) {
    const percent = percents[sli];
    if (isPercent(percent) && (timed || !sliKinds[sli].needsThreshold))
      objectives[sli] = objectiveOf(percent);
  }
  return objectives;
}

/** An objective for the client side needs one, and the other way round. */
function checkClientObjectives(
  document: CujDocument,
  percents: BySli<number | undefined>,
  { broken }: Defaults,
  reporter: Reporter,
): void {
  if (broken) return;
  if (document.client === undefined) {
    for (const sli of clientSlis) {
      const percent = percents[sli];
      if (percent === undefined) continue;
      reporter.value(
        ['slo', sli],
        'objective-without-client',
        percent,
        `the CUJ "${document.name}" has a ${sli} objective, but no client says which views and actions count`,
        `Add client to the CUJ, or remove the ${sli} objective.`,
      );
    }
  } else if (clientSlis.every((sli) => percents[sli] === undefined)) {
    reporter.missing(
      ['client'],
      'client-without-objective',
      `the CUJ "${document.name}" has a client side, but no objective for it`,
      `Add slo.${clientSlis[0]}, such as 98, to the CUJ or to the defaults: browsers fail more often than servers, so choose what your stable version meets.`,
    );
  }
}

function isPercent(percent: number | undefined): percent is number {
  return percent !== undefined && hasAtMostThreeDecimals(percent);
}

/** Where a threshold is written. */
export interface ThresholdPlace {
  readonly path: readonly (string | number)[];
  readonly value: number;
  /** That of the endpoint; undefined: all endpoints of the CUJ that have none of their own. */
  readonly service?: string | undefined;
}

/** The places of the CUJ's thresholds. */
export function thresholdPlaces(document: CujDocument): ThresholdPlace[] {
  const places: ThresholdPlace[] = [];
  if (document.latencyMs !== undefined) places.push({ path: ['latencyMs'], value: document.latencyMs });
  if (document.endpoints === '*') return places;
  for (const [index, endpoint] of document.endpoints.entries()) {
    if (typeof endpoint === 'string' || endpoint.latencyMs === undefined) continue;
    const service = endpoint.service ?? document.service;
    places.push({ path: ['endpoints', index, 'latencyMs'], value: endpoint.latencyMs, service });
  }
  return places;
}

function latencyOnTemplate(
  path: readonly string[],
  value: number,
  dialect: SourceDialect,
  reporter: Reporter,
): void {
  reporter.key(
    path,
    'latency-on-template',
    value,
    dialect.addDurations === undefined
      ? 'none of the services of this CUJ is measured by trace metrics, and other sources have no durations'
      : 'none of the services of this CUJ has a source with durations',
    withoutDurationsFix(dialect, path.at(-1) as string),
  );
}

function checkSloIds(
  document: CujDocument,
  objectives: BySli<Objective>,
  defaults: Defaults,
  reporter: Reporter,
): void {
  for (const sli of sliNames) {
    const id = document.sloId?.[sli];
    const written = document.slo?.[sli] !== undefined || defaults.broken;
    if (id === undefined || objectives[sli] !== undefined || written) continue;
    reporter.key(
      ['sloId', sli],
      'slo-id-without-objective',
      id,
      `sloId names an SLO for ${sli}, but the CUJ "${document.name}" has no ${sli} objective`,
      `Add slo.${sli} to the CUJ, or remove the id.`,
    );
  }
}

/** The agreed actions, the one for the most budget left first. */
function resolvePolicy(document: CujDocument, reporter: Reporter): ErrorBudgetAction[] {
  const actions = new Map<number, ErrorBudgetAction>();
  for (const [index, { below: text, action, gate }] of (document.errorBudgetPolicy ?? []).entries()) {
    // Percent has at most a handful of decimals; rounding keeps 0.1% from becoming 0.00099999….
    const below = Math.round(Number.parseFloat(text) * 1e6) / 1e8;
    const at = ['errorBudgetPolicy', index, 'below'];
    if (below > 1) {
      const fix = 'Use at most 100%: the full error budget.';
      reporter.value(at, 'policy-over-100', text, `an error budget is at most 100%`, fix);
    }
    if (actions.has(below)) {
      const fix = 'Join both actions in one entry, or change one of the limits.';
      reporter.value(at, 'duplicate-policy', text, `below ${text} is in the error budget policy twice`, fix);
    }
    actions.set(below, { below, action, gate });
  }
  return [...actions.values()].sort((a, b) => b.below - a.below);
}
