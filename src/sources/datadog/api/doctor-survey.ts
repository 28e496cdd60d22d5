import { floorMinute, hourMs } from '../../../domain/duration.ts';
import { SourceError } from '../../../domain/errors.ts';
import type {
  BackendFacts,
  MetricTags,
  ServiceFacts,
  SloFacts,
  SurveyFailure,
} from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { Registry, Service } from '../../../domain/registry/model.ts';
import { failureKindsOf } from '../../../domain/sli/failure.ts';
import { clientMetricsOf } from '../query/client-metrics.ts';
import { templateOf } from '../query/source-template.ts';
import { spanMetricsOf } from '../query/span-metrics.ts';
import {
  askElsewhere,
  askFailing,
  askServiceGroup,
  meshMetric,
  type ServiceGroup,
} from './doctor-traffic.ts';
import { activeMetrics, checkApiKey, metricTags } from './metadata-api.ts';
import { findSlos } from './slos.ts';

const spanHours = 24;
/** The newest minutes are not complete; an hour more or less of a day is nothing to doctor. */
const lagMs = 120_000;
/** Operations among which a service without hits is looked for. */
const maxOtherOperations = 20;

/** The metrics that a service's verdicts are made of. */
export function metricsOf(registry: Registry, service: Service): string[] {
  if (service.client !== undefined) return clientMetricsOf(registry, service).map(({ name }) => name);
  if (service.spans !== undefined) return spanMetricsOf(registry, service).map(({ name }) => name);
  if (service.operation !== undefined) {
    const byErrors = failureKindsOf(service.name, registry.cujs.values()).has('errors');
    return [`trace.${service.operation}.hits`, ...(byErrors ? [`trace.${service.operation}.errors`] : [])];
  }
  const source = registry.sources.get(service.source);
  if (source === undefined) return [];
  const template = templateOf(source);
  return [...new Set([template.total.metric, template.bad.metric])];
}

/**
 * Collects the facts that doctor checks about the services and SLOs of a registry: one call each for the key, the list
 * of metrics, the tags of each metric, the counts of each group of services that share env and operation, and the
 * SLOs; one more for services that are not where the registry says. Nothing is written. Never throws SourceError: what
 * could not be asked is in `failures`.
 */
export async function surveyDatadog(ports: {
  readonly api: JsonApi;
  readonly registry: Registry;
  /** Epoch ms. */
  readonly now: () => number;
  /** Called with the next thing that is queried. */
  readonly onProgress?: (what: string) => void;
}): Promise<BackendFacts> {
  const { registry } = ports;
  const nowMs = ports.now();
  const toMs = floorMinute(nowMs - lagMs);
  const fromMs = Math.floor(toMs / hourMs) * hourMs - (spanHours - 1) * hourMs;
  const failures: SurveyFailure[] = [];
  let calls = 0;
  const api: JsonApi = {
    getJson: (...question) => {
      calls += 1;
      return ports.api.getJson(...question);
    },
    postJson: (...question) => {
      calls += 1;
      return ports.api.postJson(...question);
    },
  };
  const attempt = async <T>(about: SurveyFailure['about'], what: string, task: () => Promise<T>) => {
    ports.onProgress?.(what);
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      failures.push({ about, code: error.code, message: error.message, fix: error.hint });
      return undefined;
    }
  };
  const facts = (found: Partial<BackendFacts>): BackendFacts => ({
    fromMs,
    toMs,
    calls,
    failures,
    activeMetrics: undefined,
    tags: new Map(),
    services: new Map(),
    slos: undefined,
    ...found,
  });

  const key = await attempt('api-key', 'the API key', () => checkApiKey(api));
  // Without a key every other answer would be the same refusal.
  if (failures.length > 0) return facts({});
  const active = await attempt('metrics', 'the metrics of the last day', () => activeMetrics(api, fromMs));

  const tags = new Map<string, MetricTags>();
  const metrics = [...registry.services.values()].flatMap((service) => metricsOf(registry, service));
  for (const metric of new Set(metrics)) {
    if (active !== undefined && !active.has(metric)) continue;
    const found = await attempt('tags', `the tags of ${metric}`, () => metricTags(api, metric));
    if (found !== undefined) tags.set(metric, found);
  }

  const services = new Map<string, ServiceFacts>();
  for (const ward of wardsOf(registry)) {
    const names = ward.services.map(({ name }) => name).join(', ');
    const found = await attempt('queries', `the traffic of ${names}`, () =>
      askServiceGroup(api, registry, ward, active?.has(meshMetric) === true, fromMs, toMs),
    );
    for (const [name, one] of found ?? []) services.set(name, one);
  }

  const misconfigured = [...services]
    .filter(([name, one]) => isMisconfigured(registry, name, one))
    .map(([name]) => name);
  const operations = [...(active ?? [])]
    .flatMap((metric) => /^trace\.(.+)\.hits$/.exec(metric)?.[1] ?? [])
    .slice(0, maxOtherOperations);
  if (misconfigured.length > 0 && operations.length > 0) {
    const elsewhere = await attempt('queries', `where else ${misconfigured.join(', ')} may be`, () =>
      askElsewhere(api, registry, misconfigured, operations, fromMs, toMs),
    );
    for (const [name, found] of elsewhere ?? []) {
      services.set(name, { ...(services.get(name) as ServiceFacts), elsewhere: found });
    }
  }

  const failing = await attempt('queries', 'what fails by the definitions of the registry', () =>
    askFailing(api, registry, fromMs, toMs),
  );

  const ids = [...registry.cujs.values()].flatMap(({ sloIds }) => Object.values(sloIds));
  const slos: SloFacts[] | undefined = await attempt('slos', 'the SLOs', () => findSlos(api, ids));
  const isSimulation = key?.isSimulation === true;
  return facts({
    calls,
    activeMetrics: active,
    tags,
    services,
    slos,
    isSimulation,
    ...(failing === undefined || failing.size === 0 ? {} : { failing }),
  });
}

/** Services that differ in nothing that a query names, templates each for itself. */
function wardsOf(registry: Registry): ServiceGroup[] {
  const serviceGroups = new Map<string, ServiceGroup & { readonly services: Service[] }>();
  for (const service of registry.services.values()) {
    const { env, tags, source, operation } = service;
    const own = service.spans === undefined ? operation : undefined;
    const key = JSON.stringify([env, tags, source, own ?? service.name]);
    const known = serviceGroups.get(key);
    if (known === undefined) serviceGroups.set(key, { env, tags, source, operation, services: [service] });
    else known.services.push(service);
  }
  return [...serviceGroups.values()];
}

/** Whether nothing of what the registry says about a traced service's traffic is there. */
function isMisconfigured(registry: Registry, name: string, { total, routes }: ServiceFacts): boolean {
  if (registry.services.get(name)?.source !== 'trace') return false;
  if (total === 0) return true;
  const wanted = [...registry.cujs.values()]
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ service, resource }) => service === name && resource !== '*');
  return wanted.length > 0 && wanted.every(({ resource }) => routes?.has(resource) !== true);
}
