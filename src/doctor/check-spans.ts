import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, ServiceFacts } from '../domain/ports/backend-facts.ts';
import type { Registry, Service } from '../domain/registry/model.ts';
import { spanFailuresOf, spanMetricsOf } from '../sources/datadog/query/span-metrics.ts';
import type { DoctorFinding } from './finding.ts';
import { count, named, percent } from './words.ts';

/** Below this share of requests with a span, verdicts rest on a sample. */
const nearlyAll = 0.95;
/** With fewer requests, shares prove nothing. */
const enoughRequests = 1_000;
/** So many times as large a share of failures among spans is no chance. */
const biasFactor = 2;
const enoughErrors = 10;

/** Whether the metrics that are made of a service's spans are there, with the tags that queries name. */
export function checkSpanMetrics(registry: Registry, facts: BackendFacts, service: Service): DoctorFinding[] {
  const { activeMetrics } = facts;
  if (service.spans === undefined || activeMetrics === undefined) return [];
  const about = named(service);
  const metrics = spanMetricsOf(registry, service);
  const missing = metrics.filter(({ name }) => !activeMetrics.has(name)).map(({ name }) => name);
  const isLost = missing.some((name) => name.endsWith('.hits'));
  const findings: DoctorFinding[] = [];
  // Where nothing failed, or every span has a status and names its endpoint, a metric has no points.
  const unusual = missing.filter((name) => !/\.((failed|lost)\.[^.]+|no_status)$/.test(name));
  if (unusual.length > 0) {
    findings.push({
      severity: 'error',
      check: 'spans-metric-missing',
      about,
      message: `${missing.length} of ${metrics.length} metrics of the spans of ${service.name} had no points in the last day: ${listed(missing)}`,
      verdict: isLost
        ? 'Inconclusive (no_data), always: there is nothing to judge.'
        : 'Inconclusive (source_malformed): failed and good requests do not add up to all.',
      fix: 'Apply the output of cuj-gate generate terraform. The metrics count from then on. If that is done, compare env, service and operation with those of the spans in the Trace Explorer.',
    });
  }
  for (const { name, tags } of metrics) {
    const known = facts.tags.get(name);
    const lacking = [...tags.keys()].filter(
      (key) => known !== undefined && known.size > 0 && !known.has(key),
    );
    if (lacking.length === 0) continue;
    findings.push({
      severity: 'error',
      check: 'spans-tag-missing',
      about,
      message: `${name} has no tag ${listed(lacking)}`,
      verdict: 'Inconclusive (no_data) where a selector or an endpoint needs it.',
      fix: `Let the application set it on the span that serves the request (${lacking.map((key) => tags.get(key)).join(', ')}), and apply the output of cuj-gate generate terraform.`,
    });
  }
  return findings;
}

/** Whether the spans stand for the requests: that most have a span, that failures are no larger share of them, and that they have a status. */
export function checkSpanTraffic(
  registry: Registry,
  service: Service,
  { total, bad, spans }: ServiceFacts,
): DoctorFinding[] {
  if (spans === undefined) return [];
  const about = named(service);
  const { tracedRequests, tracedErrors, withoutStatus = 0 } = spans;
  const findings: DoctorFinding[] = [];
  if (withoutStatus > total / 2) {
    findings.push({
      severity: 'error',
      check: 'status-code-missing',
      about,
      message: `${count(withoutStatus)} of ${count(total)} spans have no http.status_code`,
      verdict: 'Inconclusive (status_missing) where it is most of the canary.',
      fix: 'Make the tracer set http.status_code on the span, or say in the registry what counts as a failure: failure: grpc or failure: errors.',
    });
  }
  const share = total / tracedRequests;
  if (tracedRequests < enoughRequests || share >= nearlyAll) return findings;
  findings.push({
    severity: 'warning',
    check: 'spans-sampled',
    about,
    message: `Datadog has the spans of ${percent(share)} of the requests of the last day: ${count(total)} of ${count(tracedRequests)}`,
    verdict: 'Verdicts rest on these requests alone, so they take longer: as with so little traffic.',
    fix: 'Ingest more spans of this service, such as all of them: DD_TRACE_SAMPLE_RATE=1 where traces begin, and DD_TRACE_RATE_LIMIT above the requests a second of one process.',
  });
  // Others count something else than 5XX.
  const byStatus = spanFailuresOf(service.name, registry.cujs.values()).every((one) => one === undefined);
  const expected = (tracedErrors / tracedRequests) * total;
  if (byStatus && bad >= enoughErrors && bad > biasFactor * expected) {
    findings.push({
      severity: 'error',
      check: 'spans-biased',
      about,
      message: `${percent(bad / total)} of the spans failed, but ${percent(tracedErrors / tracedRequests)} of the requests: the Agent keeps more of the spans with errors`,
      verdict:
        'The failure rate is too high: good releases are inconclusive, and a few more failures than on stable abort one.',
      fix: 'Ingest all spans of this service (DD_TRACE_SAMPLE_RATE=1), or set DD_APM_ERROR_TPS=0 in the Agent.',
    });
  }
  return findings;
}
