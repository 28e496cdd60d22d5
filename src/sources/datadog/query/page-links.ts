import type { LinkSubject, SourceLink } from '../../../domain/ports/source-links.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { attributeOf, failTerms } from './client-metrics.ts';
import type { DatadogSite } from './sites.ts';
import { endpointTagOf, spanAttributeOf } from './span-metrics.ts';

/**
 * Datadog's pages about one canary. Query strings are those that the pages themselves write into the address bar. Source:
 * docs.datadoghq.com (trace explorer: search syntax; APM: service page).
 */
export function datadogPages(
  site: DatadogSite,
  { service, canary, resource, failure, fromMs, toMs }: LinkSubject,
): SourceLink[] {
  if (service.client !== undefined) return clientPages(site, { service, canary, failure, fromMs, toMs });
  if (service.operation === undefined) return [];
  const base = `https://${hostOf(site)}`;
  // Spans have what the application sets as attributes; what becomes a tag of trace metrics is one of theirs as well.
  const named = (key: string) => (service.spans === undefined ? key : spanAttributeOf(key));
  const endpointTag = named(endpointTagOf(service));
  const endpoint = resource === undefined || resource === '*' ? [] : [`${endpointTag}:"${resource}"`];
  const terms = [
    `env:${service.env}`,
    ...(service.tags ?? []).map(({ key, value }) => `${named(key)}:"${value}"`),
    `service:${service.name}`,
    `operation_name:${service.operation}`,
    ...canary.terms.map(({ key, value }) => `${named(key)}:"${value}"`),
    ...endpoint,
  ];
  const traces = (more: readonly string[]) =>
    `${base}/apm/traces?${new URLSearchParams({
      query: [...terms, ...more].join(' '),
      start: String(fromMs),
      end: String(toMs),
      paused: 'true',
    })}`;
  return [
    { label: 'Failing traces of the canary', url: traces([failingSpans(failure)]) },
    { label: 'All traces of the canary', url: traces([]) },
    {
      label: `Service ${service.name}`,
      url: `${base}/apm/services/${encodeURIComponent(service.name)}/operations/${encodeURIComponent(service.operation)}/resources?${new URLSearchParams(
        { env: service.env, start: String(fromMs), end: String(toMs), paused: 'true' },
      )}`,
    },
    {
      label: 'Dashboard of the CUJs',
      url: `${base}/dashboard/lists?${new URLSearchParams({ q: '[cuj-gate] Critical User Journeys' })}`,
    },
  ];
}

/** The events of a client in RUM's explorer, which takes the same search as the metrics. */
function clientPages(
  site: DatadogSite,
  { service, canary, failure, fromMs, toMs }: LinkSubject,
): SourceLink[] {
  const base = `https://${hostOf(site)}`;
  const by = failure?.by.kind === 'client' ? failure.by : undefined;
  const terms = [
    `@application.id:${service.client?.id}`,
    '@session.type:user',
    `env:"${service.env}"`,
    ...[...(service.tags ?? []), ...canary.terms].map(({ key, value }) => `${attributeOf(key)}:"${value}"`),
    ...(by === undefined ? [] : [`@type:${by.event}`]),
  ];
  const events = (more: readonly string[]) =>
    `${base}/rum/explorer?${new URLSearchParams({
      query: [...terms, ...more].join(' '),
      from_ts: String(fromMs),
      to_ts: String(toMs),
      live: 'false',
    })}`;
  const failing = by === undefined ? [] : failTerms(by);
  return [
    ...(failing.length === 0
      ? []
      : [{ label: "Failing events of the canary's users", url: events([`(${failing.join(' OR ')})`]) }]),
    { label: "All events of the canary's users", url: events([]) },
  ];
}

/**
 * A search for the spans that fail. Where the status of gRPC is on a span depends on the tracer, so all that are marked as errors
 * are shown then.
 */
function failingSpans(failure: Failure | undefined): string {
  if (failure === undefined) return '@http.status_code:5*';
  if (failure.by.kind !== 'http') return 'status:error';
  const { classes, codes } = failure.by;
  return `@http.status_code:(${[...classes.map((digit) => `${digit}*`), ...codes].join(' OR ')})`;
}

/** Sites with a region of their own in the name have no `app.` before it. Source: docs.datadoghq.com/getting_started/site. */
function hostOf(site: DatadogSite): string {
  return /^[a-z]+\d\./.test(site) ? site : `app.${site}`;
}
