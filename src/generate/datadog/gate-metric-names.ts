/** What Datadog calls the gate's metrics, as the agent's OpenMetrics check (openmetrics_endpoint) sends them. */

/** The namespace of the check. It replaces the prefix `cuj_gate_` of Prometheus. */
export const datadogNamespace = 'cuj_gate';

/**
 * Collected under another name and as another type: seconds since the moment that it holds, below 0 before it. Queries of
 * Datadog have no clock.
 */
export const elapsedMetrics: Readonly<Record<string, string>> = {
  tls_certificate_expiry_timestamp_seconds: 'tls_certificate_expired_seconds',
};

/** What a query reads, by the metric's name without namespace and suffix. */
export interface ReadMetric {
  readonly name: string;
  /** Of counters and histograms; undefined: a gauge. */
  readonly suffix: 'count' | 'bucket' | 'sum' | undefined;
  /** The keys of its filter and of its groups. */
  readonly tags: readonly string[];
}

/** The gate's metrics in a query of a monitor or of a widget. */
export function metricsOf(query: string): ReadMetric[] {
  return [
    ...query.matchAll(/\bcuj_gate\.([a-z0-9_]+)(?:\.(count|bucket|sum))?\{([^}]*)\}(?: by \{([^}]*)\})?/g),
  ].map(([, name = '', suffix, filter = '', groups = '']) => ({
    name,
    suffix: suffix as ReadMetric['suffix'],
    tags: [
      ...[...filter.matchAll(/\b[a-z_]+\b(?=:| (?:NOT )?IN )/g)].map(([key]) => key),
      ...groups.split(',').filter((key) => key !== ''),
    ],
  }));
}

/** The entries of the check's `metrics` that these queries need, in order. A counter has no `_total` there. */
export function checkMetrics(queries: readonly string[]): (string | Readonly<Record<string, unknown>>)[] {
  const elapsed = Object.entries(elapsedMetrics);
  const names = new Set(queries.flatMap(metricsOf).map(({ name }) => name));
  return [...names].sort().map((name) => {
    const [raw] = elapsed.find(([, of]) => of === name) ?? [];
    return raw === undefined ? name : { [raw]: { name, type: 'time_elapsed' } };
  });
}
