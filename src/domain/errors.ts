/**
 * Every way in which the gate can decline to judge. The first group is mistakes of the caller (4xx; they can never pass).
 * The second is failures of the source or of the gate, which are `inconclusive`.
 */
export const callerErrorCodes = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'cuj_not_found',
  'service_not_found',
  'not_found',
  'method_not_allowed',
  'rate_limited',
  'draining',
] as const;
export type CallerErrorCode = (typeof callerErrorCodes)[number];

export const sourceErrorCodes = [
  'source_unavailable',
  'source_rate_limited',
  'source_timeout',
  'source_rejected',
  'source_malformed',
  'gate_overloaded',
  'auth_unavailable',
] as const;
export type SourceErrorCode = (typeof sourceErrorCodes)[number];

/** The caller's request cannot be answered. `hint` says what to do. */
export class CallerError extends Error {
  override readonly name = 'CallerError';
  readonly code: CallerErrorCode;
  readonly hint: string;
  /** Machine-readable members for the problem document, such as the nearest names. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: CallerErrorCode, message: string, hint: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.details = details;
  }
}

/** The source could not be asked, or its answer could not be trusted. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly code: SourceErrorCode;
  readonly hint: string;
  /** Seconds until a retry makes sense, where the source says so. */
  readonly retryAfterSeconds: number | undefined;
  /** A retry at once would fail in the same way. */
  readonly lasting: boolean;

  constructor(
    code: SourceErrorCode,
    message: string,
    hint: string,
    options: { retryAfterSeconds?: number; lasting?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = hint;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.lasting = options.lasting ?? false;
  }
}
