import type { Registry, Service } from '../../domain/registry/model.ts';
import { type SpanMetric, spanMetricsOf } from '../../sources/datadog/query/span-metrics.ts';
import { type GeneratedFile, sortedBy } from '../output/generated-file.ts';
import { terraformFile } from './terraform-files.ts';
import { literal } from './terraform-names.ts';

/** Attributes of a `datadog_spans_metric`. */
export interface SpansMetricResource {
  readonly name: string;
  readonly compute: { readonly aggregation_type: 'count' };
  readonly filter: { readonly query: string };
  readonly group_by: readonly { readonly path: string; readonly tag_name: string }[];
}

/** The metrics of all services of a registry whose source is `spans`, as Datadog gets them. */
export function spansMetricsOf(registry: Registry): SpansMetricResource[] {
  return [...registry.services.values()].flatMap((service) =>
    service.spans === undefined ? [] : spanMetricsOf(registry, service).map(resourceOf),
  );
}

/** A file for each service that is measured by its spans: without these metrics, nothing of it is judged. */
export function spansFiles(registry: Registry): GeneratedFile[] {
  return sortedBy(registry.services.values(), ({ name }) => name).flatMap((service) => {
    const metrics = service.spans === undefined ? [] : spanMetricsOf(registry, service);
    return metrics.length === 0 ? [] : [spansFile(service, metrics)];
  });
}

function spansFile(service: Service, metrics: readonly SpanMetric[]): GeneratedFile {
  return terraformFile('terraform', `spans-${service.name}.tf.json`, {
    '//': `Generated from the CUJ registry by \`cuj-gate generate terraform\`: change the registry, not this file. Metrics of the spans of ${service.name}: apply them before the gate gets the registry. They are billed as custom metrics.`,
    resource: {
      datadog_spans_metric: Object.fromEntries(
        metrics.map(resourceOf).map(({ filter, ...metric }) => [
          // No word of a name has a `-`, and any may have a `_`: so no two names have the same resource.
          metric.name.replaceAll('.', '-'),
          { ...metric, filter: { query: literal(filter.query) } },
        ]),
      ),
    },
  });
}

function resourceOf({ name, filter, tags }: SpanMetric): SpansMetricResource {
  return {
    name,
    compute: { aggregation_type: 'count' },
    filter: { query: filter },
    group_by: [...tags].map(([tag, path]) => ({ path, tag_name: tag })),
  };
}
