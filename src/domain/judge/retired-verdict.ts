import { type Cuj, namesOf } from '../registry/model.ts';
import { type JudgeOptions, unknownVerdict, type Verdict } from './judge.ts';

const maxParamChars = 100;

/**
 * The verdict on a retired CUJ: inconclusive with the registry's sentence, whatever was asked. Nothing is measured. A CUJ in mode
 * `observe` passes, as it always did. `params`: as the caller sent them, shown as `canary`.
 */
export function retiredVerdict(
  cuj: Cuj,
  params: ReadonlyMap<string, string>,
  options: JudgeOptions,
): Verdict {
  const failure = {
    reason: 'retired' as const,
    message: cuj.retired ?? '',
    hint: 'Remove this CUJ from the Rollout and its templates: generate them again. It says nothing about the release: if the rollout is paused by it, promote it.',
  };
  const canary = [...params].map(([name, value]) => `${name}=${value.slice(0, maxParamChars)}`).join(',');
  const { environment } = cuj;
  const of = environment === undefined ? options : { ...options, environment };
  return unknownVerdict(cuj, failure, { canary, stable: '' }, of);
}

/** Says that a CUJ was asked for by an earlier name; undefined where it was not. */
export function aliasNoteOf(cuj: Cuj, askedAs: string): string | undefined {
  if (askedAs === cuj.name || !namesOf(cuj).includes(askedAs)) return undefined;
  return `"${askedAs}" is an alias: the CUJ is called "${cuj.name}" now. Generate the templates again, so that they ask by this name.`;
}

/** The members of an answer to a question by an alias; empty for any other. */
export function askedAsOf(cuj: Cuj, askedAs: string): { askedAs?: string; aliasNote?: string } {
  const aliasNote = aliasNoteOf(cuj, askedAs);
  return aliasNote === undefined ? {} : { askedAs, aliasNote };
}
