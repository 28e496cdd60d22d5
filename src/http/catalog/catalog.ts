import { durationText } from '../../domain/duration.ts';
import { CallerError } from '../../domain/errors.ts';
import { askedAsOf } from '../../domain/judge/retired-verdict.ts';
import { paramsOf } from '../../domain/metrics/evaluation-request.ts';
import type { DescribeQueries, SentQuery } from '../../domain/metrics/metrics-source.ts';
import {
  type Cuj,
  defaultMinFaultMs,
  type Endpoint,
  type QueryBatch,
  type Registry,
  type Service,
} from '../../domain/registry/model.ts';
import { type BySli, mapSlis } from '../../domain/sli/by-sli.ts';
import type {
  CujEntryDocument,
  CujListDocument,
  RegistryDocument,
  RetiredCujDocument,
} from '../openapi/catalog-schemas.ts';
import { inEnvironment } from '../pages/page-context.ts';
import type { RegistryState } from '../server/ports.ts';
import type { Page } from '../status/query-params.ts';

/** The registry as resolved, for people: a reload is visible here first. */

/** One page of the list, in the registry's order. Throws CallerError where `after` is none of its CUJs. */
export function cujList(registry: Registry, { limit, after }: Page): CujListDocument {
  if (after !== undefined && !registry.cujs.has(after)) {
    throw new CallerError(
      'invalid_request',
      `after="${after.slice(0, 100)}" is not a CUJ of the current registry.`,
      'Begin again without it: the registry may have changed between two pages.',
      { parameter: 'after' },
    );
  }
  const { environment } = registry;
  const page: Cuj[] = [];
  let begun = after === undefined;
  let next: string | undefined;
  for (const cuj of registry.cujs.values()) {
    if (begun) {
      if (page.length === limit) {
        next = inEnvironment(environment, `/cujs?limit=${limit}&after=${page.at(-1)?.name}`);
        break;
      }
      page.push(cuj);
    } else begun = cuj.name === after;
  }
  const retired = [...registry.retired.values()];
  const all = `${registry.cujs.size} CUJs over ${registry.batchOfService.size} services${retired.length === 0 ? '' : `, and ${retired.length} retired`}`;
  return {
    summary: page.length === registry.cujs.size ? all : `${all}; ${page.length} of them here`,
    cujs: page.map((cuj) => ({
      ...heading(cuj),
      services: [...cuj.services],
      objectives: objectives(cuj),
      params: paramsOf(servicesOf(registry, cuj)),
      url: inEnvironment(environment, `/cujs/${cuj.name}`),
    })),
    ...(after === undefined && retired.length > 0 ? { retired: retired.map(retiredItem) } : {}),
    ...(environment === undefined ? {} : { environment }),
    ...(next === undefined ? {} : { next }),
    registry: registry.digest,
  };
}

function retiredItem(cuj: Cuj) {
  return { name: cuj.name, retired: cuj.retired ?? '', owner: cuj.owner, ...aliasesIn(cuj) };
}

/** What is known of a CUJ, asked for by its name or an alias. */
export function cujEntry(
  registry: Registry,
  cuj: Cuj,
  askedAs: string,
  describe: DescribeQueries,
): CujEntryDocument | RetiredCujDocument {
  if (cuj.retired === undefined) return judgedEntry(registry, cuj, askedAs, describe);
  return {
    summary: `${cuj.name} of ${cuj.owner} is retired: ${cuj.retired}`,
    ...heading(cuj),
    ...askedAsOf(cuj, askedAs),
    ...(cuj.runbook === undefined ? {} : { runbook: cuj.runbook }),
    retired: cuj.retired,
    url: inEnvironment(registry.environment, `/cujs/${cuj.name}/status`),
    ...(registry.environment === undefined ? {} : { environment: registry.environment }),
    registry: registry.digest,
  };
}

function judgedEntry(
  registry: Registry,
  cuj: Cuj,
  askedAs: string,
  describe: DescribeQueries,
): CujEntryDocument {
  const services = servicesOf(registry, cuj);
  const params = paramsOf(services);
  const query = params.required.map((name) => `${name}={${name}}`).join('&');
  return {
    summary: `${cuj.name} of ${cuj.owner}: ${cuj.endpoints.length} endpoint${cuj.endpoints.length === 1 ? '' : 's'} of ${cuj.services.join(', ')}`,
    ...heading(cuj),
    ...askedAsOf(cuj, askedAs),
    ...(cuj.runbook === undefined ? {} : { runbook: cuj.runbook }),
    objectives: objectives(cuj),
    sloWindow: cuj.sloWindow,
    gate: {
      rule: cuj.gate.rule,
      falseAbort: cuj.gate.falseAbort,
      ruleOutBurn: cuj.gate.ruleOutBurn,
      passAfter: cuj.gate.passAfterMs === undefined ? 'never' : durationText(cuj.gate.passAfterMs),
      ...(cuj.gate.rulesOutRate === undefined ? {} : { rulesOutRate: cuj.gate.rulesOutRate }),
      minRequests: cuj.gate.minRequests,
      onLowTraffic: cuj.gate.onLowTraffic,
      onUnreached: cuj.gate.onUnreached ?? 'pass',
      window: cuj.gate.window === 'rollout' ? 'rollout' : durationText(cuj.gate.window),
      maxWindow: durationText(cuj.gate.maxWindowMs),
      restartGap: durationText(cuj.gate.restartGapMs),
      ...(cuj.gate.warmUpMs === undefined ? {} : { warmUp: mapSlis(cuj.gate.warmUpMs, durationText) }),
      minFaultDuration: durationText(cuj.gate.minFaultMs ?? defaultMinFaultMs),
      lag: durationText(cuj.gate.lagMs),
    },
    errorBudgetPolicy: cuj.errorBudgetPolicy.map(({ below, action, gate }) => ({
      below,
      action,
      ...(gate === undefined ? {} : { gate }),
    })),
    services: services.map((service) => ({
      name: service.name,
      env: service.env,
      ...(service.tags === undefined
        ? {}
        : { tags: Object.fromEntries(service.tags.map(({ key, value }) => [key, value])) }),
      source: service.source,
      ...(service.operation === undefined ? {} : { operation: service.operation }),
      ...(service.spans?.endpointTag === undefined ? {} : { endpointTag: service.spans.endpointTag }),
      canary: service.canary.text,
      stable: service.stable?.text ?? 'the rest',
      sampleRate: service.sampleRate,
      ...(service.dispersion === undefined ? {} : { dispersion: service.dispersion }),
    })),
    endpoints: cuj.endpoints.map(endpoint),
    params,
    url: inEnvironment(registry.environment, `/cujs/${cuj.name}/status${query === '' ? '' : `?${query}`}`),
    ...(registry.environment === undefined ? {} : { environment: registry.environment }),
    queries: queriesOf(registry, cuj, describe),
    registry: registry.digest,
  };
}

export function registryDocument({
  registry,
  environments = [],
  files,
  loadedAtMs,
  reloadErrors,
  failure,
}: RegistryState): RegistryDocument {
  return {
    summary:
      failure === undefined
        ? `${registry.cujs.size} CUJs from ${files.length} file${files.length === 1 ? '' : 's'}`
        : `${registry.cujs.size} CUJs from ${files.length} file${files.length === 1 ? '' : 's'}; the last change was refused`,
    digest: registry.digest,
    files: [...files],
    loadedAt: new Date(loadedAtMs).toISOString(),
    cujs: registry.cujs.size,
    services: registry.services.size,
    ...(environments.length === 0 ? {} : { environments: [...environments] }),
    reloadErrors,
    ...(failure === undefined ? {} : { lastFailure: failureDocument(failure) }),
  };
}

function failureDocument({ atMs, problems }: NonNullable<RegistryState['failure']>) {
  return {
    at: new Date(atMs).toISOString(),
    problems: problems.map(({ value, ...problem }) => ({
      ...problem,
      ...(value === undefined ? {} : { value }),
    })),
  };
}

function heading(cuj: Cuj) {
  return {
    name: cuj.name,
    ...(cuj.title === undefined ? {} : { title: cuj.title }),
    ...(cuj.description === undefined ? {} : { description: cuj.description }),
    owner: cuj.owner,
    tier: cuj.tier,
    mode: cuj.mode,
    ...aliasesIn(cuj),
  };
}

function aliasesIn({ aliases }: Cuj) {
  return aliases === undefined ? {} : { aliases: [...aliases] };
}

function objectives(cuj: Cuj): BySli<number> {
  return mapSlis(cuj.objectives, ({ ratio }) => ratio);
}

function endpoint({ service, resource, label, latencyMs, failure }: Endpoint) {
  return {
    endpoint: label,
    service,
    resource,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(failure === undefined ? {} : { failure: failure.text }),
  };
}

function servicesOf(registry: Registry, cuj: Cuj): Service[] {
  return cuj.services.map((name) => registry.services.get(name) as Service);
}

/** What is sent for this CUJ: the questions of its batches, which serve other CUJs of theirs in the same call. */
function queriesOf(registry: Registry, cuj: Cuj, describe: DescribeQueries): SentQuery[] {
  const batches = new Set(cuj.services.map((name) => registry.batchOfService.get(name) as QueryBatch));
  return [...batches].flatMap((batch) => describe(batch));
}
