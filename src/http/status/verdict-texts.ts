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
  /** The body of an answer without `explain` and `pretty`. */
  readonly body: string;
}

/**
 * The texts of a verdict, made once for each verdict object. The evaluator returns the same object until a snapshot or the
 * minute changes. Making its texts for every answer took a third of the time of an answer from the cache.
 */
export function createVerdictTexts(logger: Logger): (verdict: Verdict | ServiceVerdict) => VerdictTexts {
  const known = new WeakMap<Verdict | ServiceVerdict, VerdictTexts>();
  return (verdict) => {
    let texts = known.get(verdict);
    if (texts === undefined) {
      const fields = logFields(verdict);
      texts = { fields, logger: logger.child(fields), body: jsonText(verdict, false) };
      known.set(verdict, texts);
    }
    return texts;
  };
}
