import { Registry as Metrics } from 'prom-client';
import { createCredentialMetrics } from '../../src/auth/credential-metrics.ts';
import { registerErrorBudgetMetric } from '../../src/error-budget/metric.ts';
import { createMetrics } from '../../src/http/operations/metrics.ts';
import { createSourceMetrics } from '../../src/sources/decorators/request-metrics.ts';
import { createSharingMetrics } from '../../src/sources/redis-cache/metrics.ts';
import { createEventMetrics } from '../../src/verdict-events/metrics.ts';
import { createHistoryMetrics } from '../../src/verdict-history/metrics.ts';

/** A metric of a gate with everything configured: Redis, TLS, an issuer. */
export interface GateMetric {
  readonly name: string;
  readonly isHistogram: boolean;
  readonly labels: readonly string[];
}

/** The files of src that register metrics. */
export const metricSources = [
  'auth/credential-metrics.ts',
  'error-budget/metric.ts',
  'http/operations/metrics.ts',
  'sources/decorators/request-metrics.ts',
  'sources/redis-cache/metrics.ts',
  'verdict-events/metrics.ts',
  'verdict-history/metrics.ts',
];

/** All metrics that a gate can show, from the code that registers them, without Node's own. */
export async function gateMetrics(): Promise<GateMetric[]> {
  const metrics = new Metrics();
  createMetrics({ metrics, registry: () => undefined, now: () => 0 }, () => 0);
  const source = createSourceMetrics(metrics).of('datadog');
  source.rateLimitRemaining(1);
  source.clockSkew(0);
  createCredentialMetrics(metrics, () => 0);
  createSharingMetrics(metrics);
  createEventMetrics(metrics);
  createHistoryMetrics(metrics);
  registerErrorBudgetMetric(metrics, { remaining: () => [] });
  const all = await metrics.getMetricsAsJSON();
  return all
    .filter(({ name }) => name.startsWith('cuj_gate_'))
    .map(({ name, type }) => {
      const { labelNames = [] } = metrics.getSingleMetric(name) as unknown as { labelNames?: string[] };
      return { name, isHistogram: String(type) === 'histogram', labels: labelNames };
    });
}
