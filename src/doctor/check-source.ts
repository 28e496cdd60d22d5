import { listed } from '../domain/name-lists.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { Registry, Service } from '../domain/registry/model.ts';
import { datadogDialect } from '../sources/datadog/query/dialect.ts';
import { type QueryTemplate, templateOf } from '../sources/datadog/query/source-template.ts';
import type { DoctorFinding } from './finding.ts';
import { named } from './words.ts';

/** Whether the metrics and tags that a source template names are there. Trace metrics: check-traffic.ts. */
export function checkSource(registry: Registry, facts: BackendFacts, service: Service): DoctorFinding[] {
  const source = registry.sources.get(service.source);
  // Other backends have checks of their own: check-counter.ts.
  if (source === undefined || service.dialect.backend !== datadogDialect.backend) return [];
  const template = templateOf(source);
  const findings: DoctorFinding[] = [];
  for (const side of ['total', 'bad'] as const)
    findings.push(...checkQuery(facts, service, side, template[side]));
  const group = template.groupBy;
  const tags = facts.tags.get(template.total.metric);
  if (group !== undefined && tags !== undefined && !tags.has(group)) {
    findings.push({
      severity: 'error',
      check: 'group-tag-missing',
      about: named(service),
      message: `${template.total.metric} has no tag ${group}, by which the source "${template.name}" tells endpoints apart`,
      verdict: 'Inconclusive (no_data): no endpoint is found.',
      fix: `Group by a tag that it has: ${listed([...tags.keys()].sort())}.`,
    });
  }
  return findings;
}

const silent = {
  total: 'Inconclusive (no_data), always: the query matches nothing.',
  bad: 'No event is ever bad: the SLI reads 100% whatever happens, so a broken canary passes.',
};

function checkQuery(
  facts: BackendFacts,
  service: Service,
  side: 'total' | 'bad',
  { metric, terms }: QueryTemplate,
): DoctorFinding[] {
  const about = named(service);
  const findings: DoctorFinding[] = [];
  if (side === 'bad' && /^trace\..+\.errors$/.test(metric)) {
    findings.push({
      severity: 'warning',
      check: 'errors-are-not-5xx',
      about,
      message: `the source "${service.source}" takes bad events from ${metric}, which counts spans flagged as errors`,
      verdict: 'Refused requests (4XX) may count as failures, and 5XX without the flag may not.',
      fix: 'Use the .hits metric with http.status_code:5*, or trace as source, which does.',
    });
  }
  if (facts.activeMetrics !== undefined && !facts.activeMetrics.has(metric)) {
    // A count of failures has no points while nothing fails.
    const severity = side === 'bad' ? 'warning' : 'error';
    findings.push({
      severity,
      check: 'metric-missing',
      about,
      message: `there is no metric ${metric} with points in the last day (${side} of the source "${service.source}")`,
      verdict: side === 'bad' ? `If there were failures: ${lowerFirst(silent.bad)}` : silent.total,
      fix: 'Check its name in the Metrics Summary of Datadog.',
    });
    return findings;
  }
  const tags = facts.tags.get(metric);
  if (tags === undefined) return findings;
  for (const term of terms) {
    if (term.kind === 'selector' || tags.has(term.key)) continue;
    findings.push({
      severity: 'error',
      check: 'filter-tag-missing',
      about,
      message: `${metric} has no tag ${term.key}, which ${side} of the source "${service.source}" filters on`,
      verdict: term.negated ? 'The condition excludes nothing: the count is too high.' : silent[side],
      fix:
        term.key === 'http.status_class'
          ? 'Only .hits.by_http_status carries http.status_class. On .hits write http.status_code:5*.'
          : `Use a tag that it has: ${listed([...tags.keys()].sort())}.`,
    });
  }
  return findings;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
