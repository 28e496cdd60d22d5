import Type, { type Static } from 'typebox';
import { Closed } from '../openapi/schema-parts.ts';

/**
 * Response of the status routes while tokens cannot be verified. Not a refusal: five errors in a row abort a rollout. It
 * contains no verdict, since the caller may be anyone.
 */
export const NotJudgedSchema = Closed(
  {
    summary: Type.String({ maxLength: 300, pattern: '^INCONCLUSIVE [^<>&]*$' }),
    verdict: Type.Literal('inconclusive'),
    ok: Type.Literal(false),
    reason: Type.Literal('auth_unavailable'),
    hint: Type.String(),
  },
  {
    $id: 'NotJudged',
    description: "The caller's token cannot be verified at the moment. Contains nothing from the registry.",
  },
);
export type NotJudgedDocument = Static<typeof NotJudgedSchema>;

export function notJudged(message: string, hint: string): NotJudgedDocument {
  return {
    summary: `INCONCLUSIVE nothing judged (auth_unavailable): ${message}`,
    verdict: 'inconclusive',
    ok: false,
    reason: 'auth_unavailable',
    hint,
  };
}
