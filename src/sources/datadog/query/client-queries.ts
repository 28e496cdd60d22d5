import type { BatchService } from '../../../domain/registry/model.ts';
import type { ClientEvent, ClientFailure } from '../../../domain/sli/client-failure.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { clientMetricNames, nameTagOf } from './client-metrics.ts';
import { type AllTrafficQuery, addQuery, type QueryPair, type Question } from './query-plan-types.ts';
import { eventCountTexts, type TagScope } from './query-text.ts';

/**
 * All, failed and good events of one client on one side, for each definition of failure. No query lists names: the metrics are made of
 * the registry's names alone, and how Datadog writes the end of some is not known (docs/development/datadog.md).
 */
export function planClient(question: Question): void {
  const { plan, number, side, services } = question;
  for (const { service, failures = [] } of services) {
    for (const { failure, resources } of failures) {
      const by = clientFailureIn(failure, service.name);
      const label = `${by.event}s_`;
      const grouped = pairOf(question, service, by, label, true);
      const whole = pairOf(question, service, by, `all_${label}`, false);
      plan.sets.push({
        side,
        latencyMs: undefined,
        failure,
        traffic: by.event,
        key: `${failure.text}_${number}`,
        services: [{ name: service.name, group: '', resources }],
        grouped,
        check: { total: whole.total, part: whole.part },
        whole,
      });
    }
  }
}

function pairOf(
  question: Question,
  service: BatchService['service'],
  by: ClientFailure,
  label: string,
  byName: boolean,
): Required<Pick<QueryPair, 'total' | 'part' | 'rest'>> {
  const { scope, unfilled } = question;
  const { event } = by;
  const nameTag = nameTagOf(event);
  const metrics = clientMetricNames(service, by);
  const texts = eventCountTexts(metrics, nameTag, {
    ...scope,
    by: byName ? [nameTag] : undefined,
    unfilled,
  });
  const shape = {
    serviceKey: undefined,
    resourceKey: byName ? nameTag : undefined,
    services: undefined,
    resources: undefined,
    ...(byName ? { clientEvent: event } : {}),
  };
  const definition = metrics.failed.slice(metrics.failed.lastIndexOf('.') + 1);
  return {
    total: addQuery(question, `${label}total`, texts.total, shape),
    part: addQuery(question, `${label}bad_${definition}`, texts.bad, shape),
    rest: (texts.rest ?? []).map((text) => addQuery(question, `${label}good_${definition}`, text, shape)),
  };
}

/** All events of a batch's client, which is the question's only one; its scope has no condition. */
export function allOfClient(question: Question): AllTrafficQuery[] {
  const { scope, services, unfilled } = question;
  return services.flatMap(({ service, failures = [] }) => {
    const events = new Map<ClientEvent, ClientFailure>();
    for (const { failure } of failures) {
      const by = clientFailureIn(failure, service.name);
      if (!events.has(by.event)) events.set(by.event, by);
    }
    return [...events].map(([event, by]) => {
      const of: TagScope = { ...scope, unfilled };
      const { total } = eventCountTexts(clientMetricNames(service, by), nameTagOf(event), of);
      const query = addQuery(question, `all_traffic_${event}s`, total, {
        serviceKey: undefined,
        resourceKey: undefined,
        services: undefined,
        resources: undefined,
      });
      return { query, services: [{ name: service.name, group: '' }] };
    });
  });
}

function clientFailureIn({ by }: Failure, service: string): ClientFailure {
  if (by.kind !== 'client') throw new TypeError(`service "${service}" is a client, and has no ${by.kind}`);
  return by;
}
