import { listed } from '../domain/name-lists.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { Registry, Service } from '../domain/registry/model.ts';
import { clientEvents } from '../domain/sli/client-failure.ts';
import { clientMetricsOf } from '../sources/datadog/query/client-metrics.ts';
import type { DoctorFinding } from './finding.ts';
import { named } from './words.ts';

/** Whether the metrics that are made of a client's events are there, with the tags that tell canary, stable and names apart. */
export function checkClientMetrics(
  registry: Registry,
  facts: BackendFacts,
  service: Service,
): DoctorFinding[] {
  const { activeMetrics } = facts;
  if (service.client === undefined || activeMetrics === undefined) return [];
  const about = named(service);
  const metrics = clientMetricsOf(registry, service);
  const missing = metrics.filter(({ name }) => !activeMetrics.has(name)).map(({ name }) => name);
  // Where nothing failed, or nothing was good, a metric has no points.
  const kinds = clientEvents.filter((event) => metrics.some((metric) => metric.event === event));
  const lost = kinds.filter((event) => missing.some((name) => name.endsWith(`.${event}s`)));
  const findings: DoctorFinding[] = [];
  if (missing.length > 0) {
    findings.push({
      severity: lost.length > 0 ? 'error' : 'warning',
      check: 'client-metric-missing',
      about,
      message: `${missing.length} of ${metrics.length} metrics of this client had no points in the last day: ${listed(missing)}`,
      verdict:
        lost.length === 0
          ? 'Inconclusive (source_malformed), unless nothing failed, or everything did, in the last day.'
          : missing.length === metrics.length
            ? 'Inconclusive (no_data), always: there is nothing to judge.'
            : `Where failed or good events are there without all: inconclusive (source_malformed). Otherwise a CUJ with other events is judged without any of its ${lost.map((event) => `${event}s`).join(' and ')}, and passes whatever happens there.`,
      fix: 'Apply the output of cuj-gate generate terraform. The metrics count from then on. If that is done, compare application, env and the names of views and actions with those in RUM.',
    });
  }
  for (const { name, tags } of metrics) {
    const known = facts.tags.get(name);
    const lacking = [...tags.keys()].filter((key) => known !== undefined && !known.has(key));
    if (lacking.length === 0) continue;
    findings.push({
      severity: 'error',
      check: 'client-tag-missing',
      about,
      message: `${name} has no tag ${listed(lacking)}`,
      verdict: 'Inconclusive (no_data) where a selector or a name needs it.',
      fix: `Let the application send it (${lacking.map((key) => tags.get(key)).join(', ')}), and apply the output of cuj-gate generate terraform.`,
    });
  }
  return findings;
}
