import { Rejection } from './rejection.ts';
import { parseRumSearch, type RumAttributes, type RumFilter } from './rum-search.ts';

/** A count metric made of ingested spans, in the attributes of Terraform's `datadog_spans_metric`. */
export interface SpansMetricDefinition {
  readonly name: string;
  readonly compute: { readonly aggregation_type: string };
  readonly filter?: { readonly query?: string };
  readonly group_by?: readonly { readonly path: string; readonly tag_name?: string }[];
}

/** The metrics that are made of spans. A metric counts from its definition on. */
export class SpansMetrics {
  readonly #metrics = new Map<
    string,
    { readonly matches: RumFilter; readonly tags: readonly { readonly path: string; readonly tag: string }[] }
  >();
  #version = 0;

  /** Changes with every definition. */
  get version(): number {
    return this.#version;
  }

  /** Defines a metric, in place of one with this name. Throws Rejection where Datadog would refuse it. */
  define({ name, compute, filter, group_by: groups = [] }: SpansMetricDefinition): void {
    if (!/^[A-Za-z][A-Za-z0-9_.]{0,199}$/.test(name)) throw new Rejection(`invalid metric name ${name}`);
    if (compute.aggregation_type !== 'count') throw new Rejection('only counts are simulated');
    this.#metrics.set(name, {
      matches: parseRumSearch(filter?.query ?? 'service:*'),
      tags: groups.map(({ path, tag_name: tag }) => ({
        path: path.replace(/^@/, ''),
        tag: tag ?? path.replace(/^@/, ''),
      })),
    });
    this.#version += 1;
  }

  /** The metrics that count a span, each with its tags. An attribute that the span lacks is no tag. */
  countedBy(span: RumAttributes): { readonly name: string; readonly tags: Record<string, string> }[] {
    return [...this.#metrics].flatMap(([name, { matches, tags }]) => {
      if (!matches(span)) return [];
      const own = tags.flatMap(({ path, tag }) => {
        const value = span[path];
        return value === undefined ? [] : [[tag, String(value)] as const];
      });
      return [{ name, tags: Object.fromEntries(own) }];
    });
  }
}
