import type { Registry, Service } from '../../domain/registry/model.ts';
import { type ClientMetric, clientMetricsOf } from '../../sources/datadog/query/client-metrics.ts';
import type { GeneratedFile } from '../output/generated-file.ts';
import { sortedBy } from '../output/generated-file.ts';
import { terraformFile } from './terraform-files.ts';
import { literal } from './terraform-names.ts';

/** Attributes of a `datadog_rum_metric`. */
export interface RumMetric {
  readonly name: string;
  readonly event_type: string;
  readonly compute: { readonly aggregation_type: 'count' };
  readonly filter: { readonly query: string };
  readonly group_by: readonly { readonly path: string; readonly tag_name: string }[];
  readonly uniqueness?: { readonly when: 'end' };
}

/** The metrics of all clients of a registry, as Datadog gets them. */
export function rumMetricsOf(registry: Registry): RumMetric[] {
  return [...registry.services.values()].flatMap((service) =>
    service.client === undefined ? [] : clientMetricsOf(registry, service).map(rumMetric),
  );
}

/** A file for each client with the metrics that Datadog makes of its events: without them, nothing of it is judged. */
export function clientFiles(registry: Registry): GeneratedFile[] {
  const clients = sortedBy(registry.services.values(), ({ name }) => name).filter(
    ({ client }) => client !== undefined,
  );
  return clients.flatMap((service) => {
    const metrics = clientMetricsOf(registry, service);
    return metrics.length === 0 ? [] : [clientFile(service, metrics)];
  });
}

function clientFile(service: Service, metrics: readonly ClientMetric[]): GeneratedFile {
  return terraformFile('terraform', `client-${service.name}.tf.json`, {
    '//': `Generated from the CUJ registry by \`cuj-gate generate terraform\`: change the registry, not this file. Metrics of the client ${service.name}: apply them before the gate gets the registry. They are billed as custom metrics.`,
    resource: {
      datadog_rum_metric: Object.fromEntries(
        metrics
          .map(rumMetric)
          .map(({ filter, ...metric }) => [
            metric.name.replaceAll('.', '_'),
            { ...metric, filter: { query: literal(filter.query) } },
          ]),
      ),
    },
  });
}

function rumMetric({ name, event, filter, tags }: ClientMetric): RumMetric {
  return {
    name,
    event_type: event,
    compute: { aggregation_type: 'count' },
    filter: { query: filter },
    group_by: [...tags].map(([tag, path]) => ({ path, tag_name: tag })),
    // A view is updated until the user leaves it. All three metrics count it then, in the same moment, with what it was in the end.
    ...(event === 'view' ? { uniqueness: { when: 'end' } } : {}),
  };
}
