import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import {
  type BatchService,
  clientSource,
  isOfOperation,
  type QueryBatch,
  spansSource,
} from '../../../domain/registry/model.ts';
import type { Selector, SelectorTemplate } from '../../../domain/registry/selector.ts';
import { allOfClient, planClient } from './client-queries.ts';
import type { Plan, QueryPlan, Question } from './query-plan-types.ts';
import { scopesOf, sides } from './selector-scopes.ts';
import { allInSpans, planSpans } from './span-queries.ts';
import { allInTemplate, fillsOf, planTemplate } from './template-queries.ts';
import { allInTrace, planTrace } from './trace-queries.ts';

/** The questions of one scope. Throws TypeError where a value may not enter a query: the caller did not check it. */
export function planQueries(
  batch: QueryBatch,
  canary: Selector,
  stable: Selector | undefined,
  options: { readonly unfilled?: boolean } = {},
): QueryPlan {
  const plan: Plan = { queries: [], sets: [], allTraffic: [], known: new Map() };
  const unfilled = options.unfilled ?? false;
  const isTrace = batch.source === 'trace';
  const isClient = batch.source === clientSource;
  const isMade = isClient || batch.source === spansSource;
  [...questions(batch)].forEach(([operation, services], number) => {
    const fills = isTrace ? { service: true, env: true } : isMade ? ofMade : fillsOf(batch);
    const { env, tags } = batch;
    const own = { env, tags, services: services.map(({ service }) => service.name), fills };
    const scopes = scopesOf(own, canary, stable, unfilled);
    for (const side of sides) {
      const question = { plan, number, side, scope: scopes[side], services, unfilled, statuses: true };
      planSide(question, batch, operation);
    }
    // Only where stable has a selector of its own can anything be neither. A selector that names another service or
    // env looks at traffic that this scope does not hold.
    const apart = sides.some((side) => scopes[side].override !== undefined || scopes[side].env !== env);
    if (stable === undefined || apart) return;
    const scope = { env, tags, services: own.services, override: undefined, condition: undefined };
    const question = { plan, number, side: 'stable', scope, services, unfilled, statuses: false } as const;
    if (isClient) plan.allTraffic.push(...allOfClient(question));
    else if (isMade) plan.allTraffic.push(...allInSpans(question));
    else plan.allTraffic.push(isTrace ? allInTrace(question, operation) : allInTemplate(question, batch));
  });
  return { queries: plan.queries, sets: plan.sets, allTraffic: plan.allTraffic };
}

/** Metrics that are made of events are of one service, and their queries name its env alone. */
const ofMade = { service: false, env: true };

function planSide(question: Question, batch: QueryBatch, operation: string): void {
  if (batch.source === 'trace') planTrace(question, operation);
  else if (batch.source === clientSource) planClient(question);
  else if (batch.source === spansSource) planSpans(question);
  else planTemplate(question, batch);
}

/** The questions of one scope about all of its traffic: the canary's, stable's and any other. */
export function planTraffic(batch: QueryBatch): QueryPlan {
  const plan: Plan = { queries: [], sets: [], allTraffic: [], known: new Map() };
  [...questions(batch)].forEach(([operation, services], number) => {
    const names = services.map(({ service }) => service.name);
    const { env, tags } = batch;
    const scope = { env, tags, services: names, override: undefined, condition: undefined };
    const question = {
      plan,
      number,
      side: 'stable',
      scope,
      services,
      unfilled: false,
      statuses: false,
    } as const;
    planSide(question, batch, operation);
  });
  return { queries: plan.queries, sets: plan.sets, allTraffic: [] };
}

/**
 * The exact texts for people who want to ask the same. Without selectors they are shown with the registry's own
 * placeholders, such as `version:{version}`; stable is then the registry's selector, or the rest where it has none.
 */
export function describeQueries(batch: QueryBatch, canary?: Selector, stable?: Selector): SentQuery[] {
  const service = batch.services[0]?.service;
  if (service === undefined) return [];
  const ownStable =
    canary === undefined && service.stable !== undefined ? unfilledSelector(service.stable) : undefined;
  const plan = planQueries(batch, canary ?? unfilledSelector(service.canary), stable ?? ownStable, {
    unfilled: true,
  });
  return plan.queries.map(({ name, query }) => ({ name, query }));
}

function unfilledSelector(template: SelectorTemplate): Selector {
  return {
    terms: template.terms.map(({ key, parts }) => ({
      key,
      value: parts.map((part) => (typeof part === 'string' ? part : `{${part.param}}`)).join(''),
    })),
  };
}

/** The services of each operation of traces; any other service for itself, since its groups do not name it. */
function questions(batch: QueryBatch): Map<string, BatchService[]> {
  const found = new Map<string, BatchService[]>();
  for (const scoped of batch.services) {
    const { operation, name } = scoped.service;
    if (isOfOperation(batch.source) && operation === undefined) {
      throw new TypeError(`service "${name}" has no operation`);
    }
    const key = batch.source === 'trace' ? (operation as string) : name;
    found.set(key, [...(found.get(key) ?? []), scoped]);
  }
  return found;
}
