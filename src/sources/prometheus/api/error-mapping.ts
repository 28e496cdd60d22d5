import { SourceError } from '../../../domain/errors.ts';
import { oneLine } from '../../../domain/outside-text.ts';
import { type Redact, withoutKeys } from '../../../domain/redact.ts';
import { tlsMismatchOf, wantsTls } from '../../transport/tls-mismatch.ts';

const maxQuotedLength = 200;
/** A page of a proxy may be megabytes; its first words are enough. */
const maxPageLength = 10_000;
const tooMuchHint =
  'The samples of all pods, endpoints and statuses are read: shorten maxWindow, drop labels that nobody needs, or raise the limit of the backend. docs/prometheus-reference.md says how many a question takes.';

/** Where samples are missing because Thanos Query does not reach one of its stores. */
export const storeHint =
  'A store of Thanos did not answer, so a part of the samples is missing. Check its stores (/stores of Thanos Query). A running gate asks again by itself.';

/** What an answer with another status than 200 means. 429 has its own: {@link rateLimited}. */
export function failureOfStatus(status: number, body: string, redact: Redact): SourceError {
  const { type, said } = readError(body, redact);
  const shown = shorten(said);
  const text = `Prometheus answered ${status}${shown === '' ? '' : `: ${shown}`}`;
  if (status === 503 && (type === 'timeout' || type === 'canceled')) {
    return new SourceError('source_timeout', text, tooMuchHint, { lasting: true });
  }
  if ((status >= 500 && status !== 501) || status === 408) {
    return new SourceError(
      'source_unavailable',
      text,
      'The backend of CUJ_GATE_PROMETHEUS_URL has trouble; its log tells more. A running gate asks again by itself.',
    );
  }
  if (status === 422 && isStoreFailure(said)) {
    return new SourceError('source_unavailable', text, storeHint);
  }
  return new SourceError('source_rejected', text, rejectionHint(status, said));
}

/** Thanos answers 422 where a store fails, in the words of gRPC, and also where a store's limit is exceeded. */
function isStoreFailure(said: string): boolean {
  return (
    said.includes('rpc error: code = ') &&
    !/code = (ResourceExhausted|InvalidArgument)\b|\blimit\b/.test(said)
  );
}

function rejectionHint(status: number, said: string): string {
  if (status === 401 || status === 403) {
    return 'Check CUJ_GATE_PROMETHEUS_TOKEN, or CUJ_GATE_PROMETHEUS_USERNAME and CUJ_GATE_PROMETHEUS_PASSWORD; Mimir wants CUJ_GATE_PROMETHEUS_TENANT as well.';
  }
  if (status === 400 && wantsTls(said)) return 'The port has TLS: write https:// in CUJ_GATE_PROMETHEUS_URL.';
  if (status === 404 || status === 405 || status === 501 || (status >= 300 && status < 400)) {
    return 'Check CUJ_GATE_PROMETHEUS_URL: /api/v1/query below it is not the API of Prometheus, but of another program, such as an exporter, or of a page. Mimir has it below /prometheus, VictoriaMetrics in a cluster below /select/0/prometheus.';
  }
  // Mimir has a limit of times whose status is 400.
  if (status === 422 || status === 413 || /\bexceed(s|ed)\b.*\blimit\b/.test(said)) return tooMuchHint;
  return 'The backend does not accept the query; GET /cujs/<name> shows the queries as they are sent.';
}

/** A 429, with the seconds until the next try where the backend says so. */
export function rateLimited(seconds: number | undefined): SourceError {
  return new SourceError(
    'source_rate_limited',
    `Prometheus answered 429${seconds === undefined ? '' : `: try again in ${seconds} s`}.`,
    'The backend limits queries. A longer CUJ_GATE_CACHE_TTL, and Redis for replicas, make fewer.',
    seconds === undefined ? {} : { retryAfterSeconds: seconds },
  );
}

/** The connection could not be made, or broke. */
export function failureOfConnection(cause: unknown, redact: Redact): SourceError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const mismatch = tlsMismatchOf(code, error, 'CUJ_GATE_PROMETHEUS_URL');
  return new SourceError(
    'source_unavailable',
    `Prometheus could not be reached (${redact(code)}): ${mismatch?.said ?? shorten(redact(error.message))}`,
    mismatch?.hint ??
      'Check the network and DNS from here to CUJ_GATE_PROMETHEUS_URL (HTTPS_PROXY is not read).',
    { cause },
  );
}

export function timeoutFailure(deadlineMs: number): SourceError {
  return new SourceError(
    'source_timeout',
    `Prometheus did not answer within ${deadlineMs / 1000} s.`,
    'Usually this is temporary. If it lasts, check the load of the backend, and try a shorter maxWindow.',
  );
}

/** A success whose content cannot be right. `what` is the end of a sentence: `it is not JSON`. */
export function malformed(what: string, hint: string = wrongAnswerHint, cause?: unknown): SourceError {
  return new SourceError('source_malformed', `Prometheus' answer cannot be used: ${what}.`, hint, {
    lasting: true,
    ...(cause === undefined ? {} : { cause }),
  });
}

const wrongAnswerHint =
  'Nothing is judged by such an answer. If a proxy stands in between, check that it passes answers on unchanged.';

/** Prometheus' own words: `{"status":"error","errorType":"…","error":"…"}`, or the beginning of whatever it is. */
function readError(body: string, redact: Redact): { readonly type: string; readonly said: string } {
  try {
    const { errorType, error } = JSON.parse(body) as { errorType?: unknown; error?: unknown };
    if (typeof error === 'string') {
      const type = typeof errorType === 'string' ? errorType : '';
      return { type, said: redact(error.slice(0, maxPageLength)) };
    }
  } catch {
    // Not JSON: a proxy's page. Its words are better than nothing.
  }
  const page = redact(body.slice(0, maxPageLength)).replace(/<[^<>]*>/g, ' ');
  return { type: '', said: page };
}

/** Text of a backend in a message: one line, without keys, and cut. */
export function shorten(text: string, maxLength = maxQuotedLength): string {
  const line = oneLine(withoutKeys(text));
  return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line;
}
