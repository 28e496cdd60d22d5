import { STATUS_CODES } from 'node:http';
import { CallerError, type CallerErrorCode } from '../../domain/errors.ts';
import { visible, visibleLines } from '../../domain/outside-text.ts';

/** Codes that only the transport knows; the others are the domain's. */
export type ProblemCode =
  | CallerErrorCode
  | 'malformed_request'
  | 'request_timeout'
  | 'uri_too_long'
  | 'expectation_failed'
  | 'headers_too_large'
  | 'internal_error'
  | 'not_ready'
  | 'auth_unavailable'
  | 'overloaded'
  | 'http_version_not_supported';

/** An RFC 9457 problem document: JSON whatever happened, with a stable code and what to do. */
export interface ProblemDocument {
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  readonly hint: string;
  /** The problem's type is its `code`; there is no page about it to point at. */
  readonly type: 'about:blank';
  readonly [member: string]: unknown;
}

export const problemType = 'application/problem+json; charset=utf-8';

const statusOf: Readonly<Record<ProblemCode, number>> = {
  invalid_request: 400,
  malformed_request: 400,
  unauthorized: 401,
  forbidden: 403,
  cuj_not_found: 404,
  service_not_found: 404,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  uri_too_long: 414,
  expectation_failed: 417,
  rate_limited: 429,
  headers_too_large: 431,
  internal_error: 500,
  draining: 503,
  not_ready: 503,
  auth_unavailable: 503,
  overloaded: 503,
  http_version_not_supported: 505,
};

/** `details` are further members; they never replace the fixed ones. What a caller wrote is shown, not sent on. */
export function problem(
  code: ProblemCode,
  detail: string,
  hint: string,
  details: Readonly<Record<string, unknown>> = {},
): ProblemDocument {
  const status = statusOf[code];
  const fixed = {
    title: STATUS_CODES[status] as string,
    status,
    code,
    detail: visible(detail),
    hint: visible(hint),
    type: 'about:blank',
  } as const;
  return { ...fixed, ...details, ...fixed };
}

/** Thrown by a route that has its problem ready. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly document: ProblemDocument;

  constructor(document: ProblemDocument) {
    super(document.detail);
    this.document = document;
  }
}

/** The problem document of any error. Only CallerError and transport errors have their own texts. */
export function problemOf(error: unknown): ProblemDocument {
  if (error instanceof CallerError) return problem(error.code, error.message, error.hint, error.details);
  if (error instanceof ProblemError) return error.document;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (code === 'FST_ERR_BAD_URL') {
    return problem(
      'malformed_request',
      'The path cannot be decoded.',
      'Percent-encode it as UTF-8: %20 for a space, %25 for a percent sign.',
    );
  }
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') {
    return problem('uri_too_long', 'A part of the path is too long.', 'Names have at most 100 characters.');
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return problem('malformed_request', 'The request cannot be read.', 'Send a plain GET without a body.');
  }
  return problem(
    'internal_error',
    'The gate failed to answer.',
    'This is a fault of the gate itself; its log has the cause under the same request id.',
  );
}

/** For people: lists of numbers, a count for each minute, on a line of their own and not a number a line. */
function prettyText(value: object): string {
  return JSON.stringify(value, null, 2).replace(
    /\[\n\s+(-?\d[\d.e+-]*(?:,\n\s+-?\d[\d.e+-]*)*)\n\s+\]/g,
    (_, numbers) => `[${(numbers as string).replace(/,\n\s+/g, ', ')}]`,
  );
}

/** The body as it is sent: one JSON object and a newline. What a terminal would obey or not show is escaped. */
export function jsonText(value: object, pretty: boolean): string {
  return visibleLines(`${pretty ? prettyText(value) : JSON.stringify(value)}\n`);
}
