import { Rejection } from './rejection.ts';
import { parseRumSearch, type RumAttributes, type RumFilter } from './rum-search.ts';
import type { EventStore } from './store.ts';

/** A count metric made of RUM events, in the attributes of Terraform's `datadog_rum_metric`. */
export interface RumMetricDefinition {
  readonly name: string;
  readonly event_type: string;
  readonly compute: { readonly aggregation_type: string };
  readonly filter?: { readonly query?: string };
  readonly group_by?: readonly { readonly path: string; readonly tag_name?: string }[];
  readonly uniqueness?: { readonly when?: string };
}

/** Events of one kind that are alike. */
export interface RumEvents {
  readonly type: 'view' | 'action';
  /** 1 when left out. */
  readonly count?: number;
  /** The attributes in the end. */
  readonly attributes: RumAttributes;
  /** When they were over, epoch milliseconds. */
  readonly endedAt: number;
  /** What a view was before, in order: it is updated while the user stays. */
  readonly before?: readonly { readonly at: number; readonly attributes: RumAttributes }[];
}

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly when: 'match' | 'end';
  readonly matches: RumFilter;
  readonly tags: readonly { readonly path: string; readonly tag: string }[];
}

/**
 * The metrics that are made of RUM events. A metric counts from its definition on, as Datadog's do. A view is counted once: with
 * `match` as soon as it matches, with `end` when it is over. (docs.datadoghq.com, Generate Custom Metrics From RUM Events.)
 */
export class RumIntake {
  readonly #store: EventStore;
  readonly #metrics = new Map<string, Metric>();

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** Defines a metric, in place of one with this name. Throws Rejection where Datadog would refuse it. */
  define(definition: RumMetricDefinition): void {
    const { name, event_type: type, compute, filter, group_by: groups = [], uniqueness } = definition;
    if (!/^[A-Za-z][A-Za-z0-9_.]{0,199}$/.test(name)) throw new Rejection(`invalid metric name ${name}`);
    if (compute.aggregation_type !== 'count') throw new Rejection('only counts are simulated');
    const isUpdated = type === 'view' || type === 'session';
    const when = uniqueness?.when;
    if (isUpdated !== (when === 'match' || when === 'end'))
      throw new Rejection(`uniqueness is for sessions and views: ${type} has ${when}`);
    this.#metrics.set(name, {
      name,
      type,
      when: when === 'match' ? 'match' : 'end',
      matches: parseRumSearch(filter?.query ?? '@type:*'),
      tags: groups.map(({ path, tag_name: tag }) => ({
        path: path.replace(/^@/, ''),
        tag: tag ?? path.replace(/^@/, ''),
      })),
    });
  }

  send({ type, count = 1, attributes, endedAt, before = [] }: RumEvents): void {
    const states = [...before, { at: endedAt, attributes }];
    for (const metric of this.#metrics.values()) {
      if (metric.type !== type) continue;
      const isMatch = (state: (typeof states)[number]) => metric.matches({ type, ...state.attributes });
      const state = metric.when === 'match' ? states.find(isMatch) : states.slice(-1).find(isMatch);
      if (state === undefined) continue;
      const tags = metric.tags.flatMap(({ path, tag }) => {
        const value = state.attributes[path];
        return value === undefined ? [] : [[tag, String(value)]];
      });
      this.#store.addCount(metric.name, state.at, count, Object.fromEntries(tags));
    }
  }
}
