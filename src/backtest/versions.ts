import type { QueryBatch, Service } from '../domain/registry/model.ts';
import { allWords } from '../domain/registry/own-words.ts';

/** The tag that distinguishes the versions of a service, or why there is none. */
export type VersionSelector = { readonly key: string; readonly param: string } | { readonly why: string };

/** Past rollouts can be told by one tag with one placeholder as its whole value, such as `version:{version}`. */
export function versionSelectorOf({ canary, dialect }: Pick<Service, 'canary' | 'dialect'>): VersionSelector {
  const { tag } = allWords(dialect);
  const [term, ...more] = canary.terms;
  if (canary.params.length === 0) {
    return {
      why: `its canary selector ${canary.text} is the same in every rollout, so past rollouts are indistinguishable`,
    };
  }
  const [part, ...rest] = term?.parts ?? [];
  if (
    term === undefined ||
    more.length > 0 ||
    rest.length > 0 ||
    part === undefined ||
    typeof part === 'string'
  ) {
    return {
      why: `its canary selector ${canary.text} is more than one ${tag} with one placeholder, so its past values are unknown`,
    };
  }
  if (term.key === 'service' || term.key === 'env') {
    return {
      why: `its canary has its own ${term.key} ${tag}, so its versions are not under one service`,
    };
  }
  return { key: term.key, param: part.param };
}

/**
 * The parameters of a question about a version: the canary's, and stable's where the selector takes one value of the
 * same tag, which the version before has. Otherwise stable is the rest, as it is for a caller who does not give it.
 */
export function paramsFor(
  { canary, stable, dialect }: Pick<Service, 'canary' | 'stable' | 'dialect'>,
  version: string,
  before: string,
): ReadonlyMap<string, string> {
  const params = new Map([[canary.params[0] as string, version]]);
  const stableParam = stable?.params[0];
  const own = stable === undefined ? undefined : versionSelectorOf({ canary: stable, dialect });
  if (stableParam !== undefined && own !== undefined && 'key' in own && own.key === canary.terms[0]?.key) {
    if (!params.has(stableParam)) params.set(stableParam, before);
  }
  return params;
}

/** Of a batch: all of its services share the selector templates. */
export function versionSelectorOfBatch(batch: QueryBatch): VersionSelector {
  return versionSelectorOf((batch.services[0] as QueryBatch['services'][number]).service);
}
