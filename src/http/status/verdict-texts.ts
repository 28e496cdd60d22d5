import type { Logger } from 'pino';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { jsonText } from '../server/problem.ts';
import { type LogFields, logFields } from './verdict-log.ts';

/** What an answer takes from its verdict alone. */
export interface VerdictTexts {
  readonly fields: LogFields;
  /** A logger whose lines begin with these fields. */
  readonly logger: Logger;
  /** The verdict with its link, where there is one. */
  readonly shown: Verdict | ServiceVerdict;
  /** The body of an answer without `explain` and `pretty`. */
  readonly body: string;
}

/**
 * The texts of a verdict, made once for each verdict object. The evaluator returns the same object until a snapshot or the
 * minute changes, and all questions that get it have the same link. Making its texts for every answer took a third of the time of an answer from the cache.
 */
export function createVerdictTexts(
  logger: Logger,
): (verdict: Verdict | ServiceVerdict, linkOf: () => string | undefined) => VerdictTexts {
  const known = new WeakMap<Verdict | ServiceVerdict, VerdictTexts>();
  return (verdict, linkOf) => {
    let texts = known.get(verdict);
    if (texts === undefined) {
      const fields = logFields(verdict);
      const shown = withLink(verdict, linkOf());
      texts = { fields, logger: logger.child(fields), shown, body: jsonText(shown, false) };
      known.set(verdict, texts);
    }
    return texts;
  };
}

/** The verdict and the address of its page. Without an address it stays the same object. */
export function withLink<V extends object>(verdict: V, link: string | undefined): V {
  return link === undefined ? verdict : { ...verdict, link };
}
