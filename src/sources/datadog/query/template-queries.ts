import type { QueryBatch } from '../../../domain/registry/model.ts';
import {
  type AllTrafficQuery,
  addQuery,
  type QueryPair,
  type Question,
  shortEnough,
} from './query-plan-types.ts';
import { templateCountTexts, templateFills } from './query-text.ts';
import { templateOf } from './source-template.ts';

/** Which of its own names a batch's template writes into its queries. Throws TypeError where it carries none. */
export function fillsOf({ id, source, template }: QueryBatch): { service: boolean; env: boolean } {
  if (template === undefined) throw new TypeError(`batch ${id} does not carry its source "${source}"`);
  return {
    service: templateFills(templateOf(template), 'service'),
    env: templateFills(templateOf(template), 'env'),
  };
}

/** Total and bad events of one service on one side, by the batch's source template. */
export function planTemplate(question: Question, batch: QueryBatch): void {
  const template = batch.template === undefined ? undefined : templateOf(batch.template);
  const { plan, number, side, scope, services, unfilled } = question;
  for (const { service, resources, thresholds } of services) {
    if (template === undefined || thresholds.length > 0) {
      throw new TypeError(`service "${service.name}": only source trace knows durations`);
    }
    const some = resources.length > 0;
    if (some && template.groupBy === undefined) {
      throw new TypeError(
        `source "${template.name}" has no groupBy: it can judge "${service.name}" whole only`,
      );
    }
    const filter = shortEnough(resources);
    const pair = (
      what: string,
      only: readonly string[] | undefined,
      by: string | undefined,
      restToo: boolean,
    ): QueryPair => {
      const texts = templateCountTexts(template, {
        ...scope,
        resources: only,
        by: by === undefined ? undefined : [by],
        unfilled,
      });
      const shape = {
        serviceKey: undefined,
        resourceKey: by,
        services: undefined,
        resources: only === undefined ? undefined : new Set(only),
      };
      return {
        total: addQuery(question, `${what}hits`, texts.total, shape),
        part: addQuery(question, `${what}bad`, texts.bad, shape),
        ...(restToo && texts.rest !== undefined
          ? { rest: texts.rest.map((text, i) => addQuery(question, `${what}not_bad${i || ''}`, text, shape)) }
          : {}),
      };
    };
    const grouped = some ? pair('', filter, template.groupBy, true) : undefined;
    // Before the check, which is the same where there is no filter.
    const whole = pair('all_', undefined, undefined, true);
    const check = some ? pair('check_', filter, undefined, false) : undefined;
    plan.sets.push({
      side,
      latencyMs: undefined,
      key: `hits_${number}`,
      services: [{ name: service.name, group: '', resources }],
      grouped,
      check,
      whole,
    });
  }
}

/** All requests of a batch's service, which is the question's only one; its scope has no condition. */
export function allInTemplate(question: Question, { id, template }: QueryBatch): AllTrafficQuery {
  const { scope, services, unfilled } = question;
  if (template === undefined) throw new TypeError(`batch ${id} does not carry its source`);
  const { total } = templateCountTexts(templateOf(template), { ...scope, unfilled });
  const query = addQuery(question, 'all_traffic', total, {
    serviceKey: undefined,
    resourceKey: undefined,
    services: undefined,
    resources: undefined,
  });
  return { query, services: services.map(({ service: { name } }) => ({ name, group: '' })) };
}
