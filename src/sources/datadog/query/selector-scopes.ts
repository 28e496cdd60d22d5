import type { ScopeTag } from '../../../domain/registry/model.ts';
import type { Selector } from '../../../domain/registry/selector.ts';
import { safeKey, safeValue } from './query-text.ts';

export type Side = 'canary' | 'stable';
export const sides: readonly Side[] = ['canary', 'stable'];

/** The traffic that the registry means by some services, before canary and stable are told apart. */
export interface OwnScope {
  readonly env: string;
  readonly tags: readonly ScopeTag[] | undefined;
  readonly services: readonly string[];
  /** Whether the queries name the service (and env) themselves, so that a selector's term replaces the name. */
  readonly fills: { readonly service: boolean; readonly env: boolean };
}

/** One side's traffic as a query names it. */
export interface SideScope {
  readonly env: string;
  /** The same on both sides. */
  readonly tags: readonly ScopeTag[] | undefined;
  readonly services: readonly string[];
  /** The one service value that the selector asks for instead of the services' own names. */
  readonly override: string | undefined;
  readonly condition: string | undefined;
}

/**
 * Both sides of a scope. A selector's `service:` and `env:` terms replace the scope's own (a canary may run under a
 * service name or in an env of its own); what remains is the condition. Stable without a selector is the rest.
 * Throws TypeError where a selector is empty or holds what may not enter a query.
 */
export function scopesOf(
  own: OwnScope,
  canary: Selector,
  stable: Selector | undefined,
  unfilled: boolean,
): Readonly<Record<Side, SideScope>> {
  for (const selector of [canary, stable]) {
    if (selector === undefined) continue;
    if (selector.terms.length === 0) throw new TypeError('an empty selector would mean the whole service');
    for (const { key, value } of selector.terms) safeValue(safeKey(key) && value, unfilled);
  }
  return {
    canary: selected(own, canary),
    stable: stable === undefined ? rest(own, canary) : selected(own, stable),
  };
}

function replacements({ fills }: OwnScope, selector: Selector) {
  const replacing = (key: 'service' | 'env') =>
    fills[key] ? selector.terms.find((term) => term.key === key)?.value : undefined;
  return { service: replacing('service'), env: replacing('env') };
}

function selected(own: OwnScope, selector: Selector): SideScope {
  const { service, env } = replacements(own, selector);
  const terms = selector.terms.filter(
    ({ key }) => !(key === 'service' && service !== undefined) && !(key === 'env' && env !== undefined),
  );
  return {
    env: env ?? own.env,
    tags: own.tags,
    services: service === undefined ? own.services : [service],
    override: service,
    condition: terms.length === 0 ? undefined : filterText({ terms }),
  };
}

function rest(own: OwnScope, canary: Selector): SideScope {
  const { service, env } = replacements(own, canary);
  const elsewhere =
    (service !== undefined && !own.services.includes(service)) || (env !== undefined && env !== own.env);
  // Terms that hold for all of the scope exclude nothing from it; where no other is left, the canary is all there
  // is and the rest must stay empty, so they are kept.
  const telling = canary.terms.filter(
    ({ key }) =>
      !(key === 'env' && env !== undefined) &&
      !(key === 'service' && service !== undefined && own.services.length === 1),
  );
  return {
    env: own.env,
    tags: own.tags,
    services: own.services,
    override: undefined,
    condition: elsewhere ? undefined : restText(telling.length === 0 ? canary : { terms: telling }),
  };
}

/**
 * The selector as a filter in Datadog's boolean form: `a:b AND c:d`. The domain's selectorText reads the same, but it is
 * for people and cache keys: a change of its wording must not change queries.
 */
export function filterText(selector: Selector): string {
  return selector.terms.map((term) => `${term.key}:${term.value}`).join(' AND ');
}

/** Everything that the selector does not match, in the documented operators only: `a NOT IN (b) OR c NOT IN (d)`. */
export function restText(selector: Selector): string {
  const terms = selector.terms.map((term) => `${term.key} NOT IN (${term.value})`);
  return terms.length === 1 ? (terms[0] as string) : `(${terms.join(' OR ')})`;
}
