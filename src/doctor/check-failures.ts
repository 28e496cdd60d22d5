import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, ServiceFacts } from '../domain/ports/backend-facts.ts';
import { failureTextOn } from '../domain/registry/endpoint-failures.ts';
import type { Registry, Service } from '../domain/registry/model.ts';
import { defaultFailureText, grpcStatuses, joinedTexts } from '../domain/sli/failure.ts';
import { endpointsCountedBy } from '../domain/sli/kind.ts';
import { sliKinds } from '../domain/sli/table.ts';
import type { DoctorFinding } from './finding.ts';
import { count, named, percent } from './words.ts';

/** Whether the data is there that the registry's definitions of failure need, and whether the objectives fit them. */

/** With fewer requests, that nothing failed proves nothing. */
const enoughRequests = 1_000;
/** With fewer requests, a rate is not compared with an objective. */
const minRequests = 100;

const grpcTag = 'rpc.grpc.status_code';
/** What Datadog calls the traffic without the tag. */
const withoutTag = new Set(['n/a', '']);

/** Failures by the status of gRPC: whether the hits have one, and as the queries expect it. */
export function checkGrpcCodes(
  { cujs }: Registry,
  service: Service,
  { grpcCodes = new Map(), total }: ServiceFacts,
): DoctorFinding[] {
  const about = named(service);
  const isStatus = (value: string) => /^\d+$/.test(value) && Number(value) < grpcStatuses.length;
  const found = [...grpcCodes].filter(([value]) => !withoutTag.has(value.toLowerCase()));
  const known = found.filter(([value]) => isStatus(value));
  const others = found.filter(([value]) => !isStatus(value));
  const coded = known.reduce((sum, [, hits]) => sum + hits, 0);
  const findings: DoctorFinding[] = [];
  if (others.length > 0) {
    findings.push({
      severity: 'error',
      check: 'grpc-status-other',
      about,
      message: `${grpcTag} of trace.${service.operation}.hits has values that are no numbers from 0 to 16: ${listed(others.map(([value, hits]) => `${value} (${count(hits)} hits)`))}`,
      verdict:
        'Requests with these count as without a status: inconclusive (status_missing) where they are most.',
      fix: 'Upgrade the Datadog Agent, which makes numbers of them, and report these values. Meanwhile write failure: errors.',
    });
  }
  if (coded < total / 2 && others.length === 0) {
    findings.push({
      severity: 'error',
      check: 'status-code-missing',
      about,
      message: `${count(total - coded)} of ${count(total)} hits have no ${grpcTag}`,
      verdict:
        'Inconclusive (status_missing) where it is most of the canary: a failure among those requests is never counted.',
      fix: 'Upgrade the Datadog Agent to 7.65 or later, and the tracer. Or write failure: errors, if the tracer marks failed calls as errors.',
    });
  }
  const bad = new Set(
    [...cujs.values()].flatMap(({ endpoints }) =>
      endpoints.flatMap(({ service: of, failure }) =>
        of === service.name && failure?.by.kind === 'grpc' ? failure.by.codes.map(String) : [],
      ),
    ),
  );
  if (findings.length === 0 && total >= enoughRequests && !known.some(([value]) => bad.has(value)))
    findings.push(nothingFailed(service, total, 'with a status of gRPC that counts as a failure'));
  return findings;
}

/** Failures by marks of errors: whether the metric is there, with the tags that the queries name. */
export function checkErrors(
  facts: BackendFacts,
  service: Service,
  { errors = 0, total }: ServiceFacts,
): DoctorFinding[] {
  const about = named(service);
  const metric = `trace.${service.operation}.errors`;
  const silent = 'No request is ever bad: the SLI reads 100% whatever happens, so a broken canary passes.';
  if (facts.activeMetrics !== undefined && !facts.activeMetrics.has(metric)) {
    return [
      {
        severity: 'warning',
        check: 'metric-missing',
        about,
        message: `there is no metric ${metric} with points in the last day, by which failures are told (failure: errors)`,
        verdict: `If there were failures: ${silent.charAt(0).toLowerCase()}${silent.slice(1)}`,
        fix: 'Provoke a failure in a test environment, and see that its span is an error. If it is not, the tracer or the framework hides it.',
      },
    ];
  }
  const tags = facts.tags.get(metric);
  const missing = ['env', 'service', 'resource_name', ...keysOf(service)].filter(
    (key) => tags !== undefined && tags.size > 0 && !tags.has(key),
  );
  if (missing.length > 0) {
    return [
      {
        severity: 'error',
        check: 'filter-tag-missing',
        about,
        message: `${metric} has no tag ${listed(missing)}, which the queries for failures filter on`,
        verdict: silent,
        fix: 'Select by tags that both hits and errors have, or tell failures by a status.',
      },
    ];
  }
  return errors === 0 && total >= enoughRequests ? [nothingFailed(service, total, 'marked as an error')] : [];
}

/** Tag keys by which canary and stable are told apart. */
function keysOf({ canary, stable }: Service): string[] {
  const keys = [...canary.terms, ...(stable?.terms ?? [])].map(({ key }) => key);
  return [...new Set(keys)].filter((key) => key !== 'service' && key !== 'env');
}

function nothingFailed(service: Service, total: number, how: string): DoctorFinding {
  return {
    severity: 'info',
    check: 'no-bad-events-seen',
    about: named(service),
    message: `none of ${count(total)} hits of the last day was ${how}, so the query for failures could not be verified`,
    verdict: 'None, if the service really has no errors.',
    fix: 'Provoke a failure in a test environment, and compare its span with what the registry counts.',
  };
}

/** CUJs that are below their objective by what the registry counts, as statuses that happen in normal use make them. */
export function checkFailingRates(
  { cujs, services }: Registry,
  { failing = new Map() }: BackendFacts,
): DoctorFinding[] {
  return [...failing].flatMap(([name, { total, bad }]) => {
    const cuj = cujs.get(name);
    const objective = cuj?.objectives.availability;
    if (cuj === undefined || objective === undefined) return [];
    const counted = endpointsCountedBy(sliKinds.availability, cuj.endpoints);
    const texts = counted.map((endpoint) => failureTextOn(endpoint, services.get(endpoint.service)));
    if (total < minRequests || bad <= objective.budget * total) return [];
    return [
      {
        severity: 'warning',
        check: 'objective-does-not-fit',
        about: `cuj ${name}`,
        message: `${percent(bad / total)} of ${count(total)} requests of the last day failed (${joinedTexts(texts) ?? defaultFailureText}), and the objective of ${objective.percent}% allows ${percent(objective.budget)}`,
        verdict:
          'The error budget is used up, alerts fire, and a release that is no worse than stable is inconclusive (shared_cause, within_noise) for most of the time.',
        fix: 'Set slo.availability to what the present version meets, count fewer statuses, count them on single endpoints only, or judge the CUJ by comparison with stable (rule: baseline).',
      },
    ];
  });
}
