import { SourceError } from '../../../domain/errors.ts';
import { oneLine } from '../../../domain/outside-text.ts';
import { type Redact, withoutKeys } from '../../../domain/redact.ts';
import { tlsMismatchOf } from '../../transport/tls-mismatch.ts';

const maxQuotedLength = 200;
/** A page of a proxy may be megabytes; its first words are enough. */
const maxPageLength = 10_000;

/** What an answer with another status than 200 means. 429 is not among them: rate-limit.ts. */
export function failureOfStatus(status: number, body: string, redact: Redact): SourceError {
  const said = quoted(body, redact);
  const text = said === '' ? '' : `: ${said}`;
  if (status >= 500 || status === 408) {
    return new SourceError(
      'source_unavailable',
      `Datadog answered ${status}${text}`,
      'Datadog has trouble; status.datadoghq.com tells more. A running gate asks again by itself.',
    );
  }
  return new SourceError('source_rejected', `Datadog answered ${status}${text}`, rejectionHint(status));
}

function rejectionHint(status: number): string {
  if (status === 401 || status === 403) {
    return 'Check DD_API_KEY, DD_APP_KEY (its scopes include timeseries_query) and DD_SITE: keys are good for one site only.';
  }
  if (status === 404 || (status >= 300 && status < 400)) {
    return 'Check DD_SITE, and DD_URL where it is set: this is not the API.';
  }
  return 'Datadog does not accept the query; GET /cujs/<name> shows the queries as they are sent.';
}

/** The connection could not be made, or broke. */
export function failureOfConnection(cause: unknown, redact: Redact): SourceError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const mismatch = tlsMismatchOf(code, error, 'DD_URL');
  return new SourceError(
    'source_unavailable',
    `Datadog could not be reached (${redact(code)}): ${mismatch?.said ?? shorten(redact(error.message))}`,
    mismatch?.hint ??
      'Check the network and DNS from here to the API of DD_SITE (or DD_URL, which names a proxy; HTTPS_PROXY is not read).',
    { cause },
  );
}

export function timeoutFailure(deadlineMs: number): SourceError {
  return new SourceError(
    'source_timeout',
    `Datadog did not answer within ${deadlineMs / 1000} s.`,
    'Usually this is temporary. If it lasts, check the network to Datadog, and try a shorter maxWindow.',
  );
}

/** Datadog's own words: `{"errors":["text"]}`, JSON:API error objects, or the beginning of whatever it is. */
function quoted(body: string, redact: Redact): string {
  let texts: string[] = [];
  try {
    const { errors } = JSON.parse(body) as { errors?: unknown };
    if (Array.isArray(errors)) {
      texts = errors.map((error) =>
        typeof error === 'string' ? error : String(error?.detail ?? error?.title ?? JSON.stringify(error)),
      );
    } else if (typeof errors === 'string') texts = [errors];
  } catch {
    // Not JSON: a proxy's page. Its words are better than nothing.
    texts = [
      redact(body)
        .slice(0, maxPageLength)
        .replace(/<[^<>]*>/g, ' '),
    ];
  }
  return shorten(redact(texts.join('; ')));
}

function shorten(text: string): string {
  const line = oneLine(withoutKeys(text));
  return line.length > maxQuotedLength ? `${line.slice(0, maxQuotedLength - 1)}…` : line;
}
