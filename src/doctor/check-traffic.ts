import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, ServiceFacts } from '../domain/ports/backend-facts.ts';
import { isOfOperation, type Registry, type Service } from '../domain/registry/model.ts';
import { allWords } from '../domain/registry/own-words.ts';
import { type FailureBy, failureKindsOf } from '../domain/sli/failure.ts';
import { checkErrors, checkGrpcCodes } from './check-failures.ts';
import { checkSpanTraffic } from './check-spans.ts';
import type { DoctorFinding } from './finding.ts';
import { count, named, percent } from './words.ts';

/** A factor between the hits and those that sampleRate predicts, from which on sampleRate is reported. */
const sampledFactor = 3;
/** With fewer requests, a missing 5XX or a missing duration proves nothing. */
const enoughRequests = 1_000;

/** Checks that Datadog has the service's traffic where the registry says: all of it, with status codes and durations. */
export function checkTraffic(
  registry: Registry,
  facts: BackendFacts,
  service: Service,
  found: ServiceFacts,
): DoctorFinding[] {
  if (found.total === 0) return [noTraffic(facts, service, found)];
  if (service.spans !== undefined) return checkSpanTraffic(registry, service, found);
  // Of a source, checkCounter looks for the labels that tell failures.
  const kinds = isOfOperation(service.source)
    ? failureKindsOf(service.name, registry.cujs.values())
    : new Set<FailureBy['kind']>(['http']);
  return [
    ...(kinds.has('http') ? codes(service, found) : []),
    ...(kinds.has('grpc') ? checkGrpcCodes(registry, service, found) : []),
    ...(kinds.has('errors') ? checkErrors(facts, service, found) : []),
    ...durations(service, found),
    ...sampling(service, found),
  ];
}

function noTraffic(facts: BackendFacts, service: Service, found: ServiceFacts): DoctorFinding {
  const about = named(service);
  const verdict = 'Inconclusive (no_data), always: there is nothing to judge.';
  const error = (check: string, message: string, fix: string): DoctorFinding => ({
    severity: 'error',
    check,
    about,
    message,
    verdict,
    fix,
  });
  const { operation, env, name } = service;
  const wrongTag = scopeTagWithoutHits(facts, service);
  if (wrongTag !== undefined) return error('scope-tag-without-hits', wrongTag.message, wrongTag.fix);
  if (service.client !== undefined) {
    return error(
      'no-traffic',
      `none of the views and actions of ${name} was counted in ${env} in the last day`,
      "Apply the output of cuj-gate generate terraform, and compare application, env, tags and the names with those in RUM's explorer.",
    );
  }
  if (service.spans !== undefined) {
    const requests = found.spans?.tracedRequests ?? 0;
    return error(
      'no-traffic',
      `no span of ${name} with the operation ${operation} was counted in ${env} in the last day${requests === 0 ? '' : `, though there were ${count(requests)} requests`}`,
      requests === 0
        ? 'Compare env, the name of the service and operation with those of its spans in the Trace Explorer.'
        : 'Apply the output of cuj-gate generate terraform: the metrics count from then on. If that is done, check that Datadog ingests spans of this service.',
    );
  }
  if (operation === undefined) {
    const series = facts.counters?.get(name)?.series ?? 0;
    if (series > 0) {
      return {
        severity: 'warning',
        check: 'no-traffic',
        about,
        message: `the source "${service.source}" counted nothing for ${name} in the full hours of the last day; ${count(series)} series are there now`,
        verdict: 'Inconclusive (no_data) while no requests come.',
        fix: 'If the service is new, run doctor again an hour later. Otherwise check that requests reach it.',
      };
    }
    return error(
      'no-traffic',
      `the source "${service.source}" counted nothing for ${name} in the last day`,
      `Check the metrics and the ${allWords(service.dialect).tags} in the source, and how the service is called there.`,
    );
  }
  const metric = `trace.${operation}.hits`;
  const { elsewhere: operations = [] } = found;
  const others = operations.map(
    (one) => `${one.operation} (${count([...one.routes.values()].reduce((a, b) => a + b, 0))} hits)`,
  );
  if (others.length > 0) {
    return error(
      'operation-without-hits',
      `${metric} has no hits of ${name} in ${env}, but other operations do: ${others.join(', ')}`,
      `Set operation: ${operations[0]?.operation}. It is the name of the span that serves requests, and depends on the framework.`,
    );
  }
  const elsewhere = [...(found.envs ?? [])].filter(([value]) => value !== env);
  if (elsewhere.length > 0) {
    return error(
      'env-without-hits',
      `${name} has no hits in env ${env}, but in ${listed(elsewhere.map(([value, hits]) => `${value} (${count(hits)})`))}`,
      `Set env to one of them, as Datadog stores it: ${elsewhere[0]?.[0]}.`,
    );
  }
  if (facts.activeMetrics !== undefined && !facts.activeMetrics.has(metric)) {
    const known = [...facts.activeMetrics].flatMap((one) => /^trace\.(.+)\.hits$/.exec(one)?.[1] ?? []);
    return error(
      'metric-missing',
      `there is no metric ${metric} with points in the last day`,
      known.length === 0
        ? 'Datadog has no trace metrics at all here: check DD_SITE and whether APM is on.'
        : `Set operation to the service's own. With hits in the last day: ${listed(known)}.`,
    );
  }
  const services = [...(facts.tags.get(metric)?.get('service') ?? [])];
  return error(
    'service-without-hits',
    `${metric} has no hits of a service called ${name} in the last day`,
    services.length === 0
      ? 'Check the name of the service: it is the service tag, as Datadog stores it.'
      : `Check the name: it is the service tag. With hits under this operation: ${listed(services)}.`,
  );
}

/** A tag of the environment that the metric has not, or not with this value. */
function scopeTagWithoutHits(
  facts: BackendFacts,
  { operation, source, tags = [] }: Service,
): { readonly message: string; readonly fix: string } | undefined {
  // What metric a source counts is for check-source.ts to know.
  const known = operation === undefined ? undefined : facts.tags.get(`trace.${operation}.hits`);
  if (known === undefined || source !== 'trace') return undefined;
  for (const { key, value } of tags) {
    const values = known.get(key);
    if (values?.has(value)) continue;
    return values === undefined
      ? {
          message: `trace.${operation}.hits has no tag ${key}, and tags says ${key}:${value}`,
          fix: `Make ${key} an additional primary tag in Datadog (APM, settings), so that trace metrics have it, or remove it from tags.`,
        }
      : {
          message: `trace.${operation}.hits has no ${key}:${value}; it has ${listed([...values].map((one) => `${key}:${one}`))}`,
          fix: `Write ${key} in tags as Datadog stores it.`,
        };
  }
  return undefined;
}

function codes(service: Service, found: ServiceFacts): DoctorFinding[] {
  if (found.statusCodes === undefined) return [];
  const coded = [...found.statusCodes.values()].reduce((sum, hits) => sum + hits, 0);
  if (coded < found.total / 2) {
    return [
      {
        severity: 'error',
        check: 'status-code-missing',
        about: named(service),
        message: `${count(found.total - coded)} of ${count(found.total)} hits have no http.status_code`,
        verdict:
          'Inconclusive (status_missing) where it is most of the canary: a 5XX among those requests is never counted.',
        fix: 'Make the tracer set http.status_code on the span, or say in the registry what counts as a failure: failure: grpc for gRPC, failure: errors for GraphQL and others.',
      },
    ];
  }
  const failed = [...found.statusCodes].filter(([code]) => code.startsWith('5'));
  const expected = failed.reduce((sum, [, hits]) => sum + hits, 0);
  if (expected > 0 && found.bad === 0) {
    return [
      {
        severity: 'error',
        check: 'bad-events-not-counted',
        about: named(service),
        message: `there were ${count(expected)} hits with ${listed(failed.map(([code]) => code))}, and the query for bad events counts none`,
        verdict: 'The SLI reads 100% whatever happens, so a broken canary passes.',
        fix: 'Run the queries of GET /cujs/<name> by hand and report the results: the filter http.status_code:5* should match.',
      },
    ];
  }
  if (expected === 0 && found.total >= enoughRequests) {
    return [
      {
        severity: 'info',
        check: 'no-bad-events-seen',
        about: named(service),
        message: `none of ${count(found.total)} hits of the last day ended in 5XX, so the filter for bad events could not be verified`,
        verdict: 'None, if the service really has no errors.',
        fix: 'Check whether errors reach Datadog with a status code: some frameworks send the 500 outside the span.',
      },
    ];
  }
  return [];
}

function durations(service: Service, { timed, total }: ServiceFacts): DoctorFinding[] {
  if (timed === undefined || timed >= total / 2) return [];
  const part = timed === 0 ? 'has no points' : `holds only ${percent(timed / total)} of the requests`;
  return [
    {
      severity: 'error',
      check: 'latency-missing',
      about: named(service),
      message: `the distribution trace.${service.operation} ${part}, and a CUJ has a latency objective`,
      verdict: 'The latency SLI is inconclusive (no_data), so the CUJ cannot pass.',
      fix: 'Remove latency from the SLO until Datadog has the distribution, or ask Datadog why it is missing.',
    },
  ];
}

function sampling(service: Service, { meshRequests, total }: ServiceFacts): DoctorFinding[] {
  if (meshRequests === undefined) return [];
  const expected = meshRequests * service.sampleRate;
  if (total * sampledFactor > expected && total < expected * sampledFactor) return [];
  const seen = total / meshRequests;
  return [
    {
      severity: 'warning',
      check: 'sample-rate',
      about: named(service),
      message: `${count(total)} hits, but ${count(meshRequests)} requests in the mesh: ${percent(seen)}, while sampleRate says ${percent(service.sampleRate)}`,
      verdict:
        seen < service.sampleRate
          ? 'Ratios are correct, but there is less evidence than the traffic allows: verdicts take longer.'
          : 'Evidence is scaled down too much: verdicts take longer than necessary.',
      fix:
        seen < service.sampleRate
          ? 'If the application samples before the agent counts, set sampleRate. Otherwise look for traffic without traces.'
          : 'Correct sampleRate.',
    },
  ];
}
