import { setTimeout as delay } from 'node:timers/promises';
import { errors, Pool } from 'undici';
import { SourceError } from '../../../domain/errors.ts';
import { clockSkewOf } from '../../../domain/judge/clock-skew.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { type Redact, redactor } from '../../../domain/redact.ts';
import { dateOfAnswer } from '../../transport/header-times.ts';
import { type Exchanged, exchange } from '../../transport/http-exchange.ts';
import { type AttemptClock, type RetryRules, withAttempts } from '../../transport/retry.ts';
import type { DatadogSite } from '../query/sites.ts';
import { failureOfConnection, failureOfStatus, timeoutFailure } from './error-mapping.ts';
import { type OnRemaining, RateLimit } from './rate-limit.ts';
import { malformed, parseJson } from './timeseries-response.ts';

export interface DatadogOptions {
  readonly apiKey: string;
  /** Undefined: what is sent needs none. */
  readonly appKey?: string | undefined;
  /** Default `datadoghq.com`. */
  readonly site?: DatadogSite;
  /** Instead of the site's API: the simulator or a proxy, as `http(s)://host[:port][/path]`. */
  readonly url?: string;
  /** The most that one question takes, retries included. The caller's signal may be earlier. Default 8,000. */
  readonly deadlineMs?: number;
  /** A longer answer is refused. Default 32 MiB. */
  readonly maxAnswerBytes?: number;
  /** Told X-RateLimit-Remaining of every answer that has it, and 0 at a 429. */
  readonly onRateLimitRemaining?: OnRemaining;
  /** Told of every 429, with the seconds until the reset. */
  readonly onRateLimited?: (seconds: number) => void;
  /** Told of every 200 that has a Date how far our own clock is ahead of it (below 0: behind), in ms. */
  readonly onClockSkew?: (skewMs: number) => void;
  /** Epoch ms, to be compared with the Date of answers; the system's clock by default. */
  readonly epochNow?: () => number;
  /** Monotonic ms, randomness and waiting; Node's own by default. */
  readonly clock?: Partial<AttemptClock>;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** With its query string, such as `/api/v1/validate`. */
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `created`: 201 and 202 are good as well as 200. */
  readonly accepts?: 'created';
}

/** A 200, as it was sent but for the keys: a proxy that echoes one must not make the gate pass it on. */
export interface ApiAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** How far our own clock was ahead of Datadog's (below 0: behind), in ms; undefined where the answer has no Date. */
  readonly clockSkewMs: number | undefined;
}

const defaultDeadlineMs = 8_000;
const defaultMaxAnswerBytes = 32 * 1024 * 1024;
/** An AnalysisTemplate asks every 30 s to 5 min: a connection that lives shorter costs a TLS handshake each time. */
const keepAliveMs = 10 * 60_000;
/** Datadog's keys have 32 or 40 characters. Made-up ones of a simulator may be a word that its answers are full of. */
const minKeyLength = 16;
/** One call serves a whole scope; more at once than this is a thundering herd that had better queue. */
const maxConnections = 16;
const retryRules: RetryRules = {
  mayPass: ['source_unavailable', 'source_malformed', 'source_timeout'],
  timedOut: timeoutFailure,
};

/**
 * The way to Datadog's API: connections that outlive the interval of an AnalysisTemplate, the rate limit that all
 * callers share, one deadline for each question, and SourceErrors for all that goes wrong.
 */
export class DatadogConnection {
  readonly origin: string;
  readonly #keys: Readonly<Record<string, string>>;
  readonly #pool: Pool;
  readonly #pathPrefix: string;
  readonly #rateLimit: RateLimit;
  readonly #onClockSkew: (skewMs: number) => void;
  readonly #epochNow: () => number;
  readonly #redact: Redact;
  readonly #redactAnswer: Redact;
  readonly #deadlineMs: number;
  readonly #maxAnswerBytes: number;
  readonly #clock: AttemptClock;

  constructor(options: DatadogOptions) {
    const url = new URL(options.url ?? `https://api.${options.site ?? 'datadoghq.com'}`);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw new TypeError(`${url.protocol} is not HTTP`);
    this.#pathPrefix = url.pathname.replace(/\/+$/, '');
    this.origin = url.origin;
    const { apiKey, appKey } = options;
    this.#keys = {
      'dd-api-key': apiKey,
      ...(appKey === undefined ? {} : { 'dd-application-key': appKey }),
    };
    const keys = [apiKey, ...(appKey === undefined ? [] : [appKey])];
    this.#redact = redactor(keys);
    this.#redactAnswer = redactor(keys.filter((key) => key.length >= minKeyLength));
    this.#deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? defaultMaxAnswerBytes;
    this.#clock = {
      now: () => performance.now(),
      random: Math.random,
      sleep: (ms, signal) => delay(ms, undefined, { signal }),
      ...options.clock,
    };
    this.#onClockSkew = options.onClockSkew ?? (() => {});
    this.#epochNow = options.epochNow ?? Date.now;
    this.#rateLimit = new RateLimit(
      this.#clock.now,
      this.#epochNow,
      options.onRateLimitRemaining ?? (() => {}),
      options.onRateLimited,
    );
    this.#pool = new Pool(url.origin, {
      connections: maxConnections,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // Each attempt has a signal of its own; these only keep undici's defaults (10 s, 300 s) from mattering.
      connect: { timeout: this.#deadlineMs },
      headersTimeout: this.#deadlineMs,
      bodyTimeout: this.#deadlineMs,
      maxResponseSize: this.#maxAnswerBytes,
    });
  }

  /** Asks nothing for so long, as after a 429: the rate limit is the organisation's. */
  holdOff(seconds: number): void {
    this.#rateLimit.holdOff(seconds);
  }

  /** Runs attempts inside the deadline; each may call {@link send} with the signal that it is given. */
  attempt<T>(attempt: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return withAttempts(attempt, signal, this.#deadlineMs, this.#clock, retryRules);
  }

  /** One exchange. Throws SourceError for everything but a 200; the signal's reason when it aborts. */
  async send(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    // Before it queues for a connection, and again when it has got one: a 429 may have come meanwhile.
    this.#rateLimit.check();
    let answer: Exchanged;
    let sentMs = 0;
    let answeredMs = 0;
    try {
      answer = await exchange(
        this.#pool,
        {
          method: request.method,
          path: `${this.#pathPrefix}${request.path}`,
          headers: { accept: 'application/json', ...lowerCaseNames(request.headers), ...this.#keys },
          body: request.body ?? null,
        },
        signal,
        {
          onStart: () => {
            this.#rateLimit.check();
            sentMs = this.#epochNow();
          },
          // By the headers alone: a 429 whose body never comes would be taken for a slow answer and asked again.
          onHead: (status, headers) => {
            answeredMs = this.#epochNow();
            this.#rateLimit.note(status, headers);
          },
        },
      );
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof SourceError) throw error;
      if (error instanceof errors.ResponseExceededMaxSizeError) {
        throw new SourceError(
          'source_malformed',
          `Datadog's answer is longer than ${this.#maxAnswerBytes} bytes.`,
          'Judge fewer services with one selector, or shorten maxWindow.',
          { lasting: true },
        );
      }
      throw failureOfConnection(error, this.#redact);
    }
    const { status, headers, text } = answer;
    const isGood = status === 200 || (request.accepts === 'created' && (status === 201 || status === 202));
    if (!isGood && status > 200 && status < 300) throw malformed(`it came with status ${status}`);
    if (!isGood) throw failureOfStatus(status, text, this.#redact);
    const dateMs = dateOfAnswer(headers);
    const clockSkewMs = dateMs === undefined ? undefined : clockSkewOf(dateMs, sentMs, answeredMs);
    if (clockSkewMs !== undefined) this.#onClockSkew(clockSkewMs);
    return { headers, text: this.#redactAnswer(text), clockSkewMs };
  }

  /** Closes idle connections and waits for those in use. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

export function createDatadogApi(connection: DatadogConnection): JsonApi {
  const ask = (request: ApiRequest, signal = new AbortController().signal) =>
    connection.attempt(async (inner) => parseJson((await connection.send(request, inner)).text), signal);
  return {
    async getJson(path, query = {}, signal) {
      const search = new URLSearchParams();
      for (const [name, value] of Object.entries(query)) search.set(name, String(value));
      return ask({ method: 'GET', path: search.size === 0 ? path : `${path}?${search}` }, signal);
    },
    async postJson(path, body, signal) {
      const headers = { 'content-type': 'application/json' };
      return ask({ method: 'POST', path, headers, body: JSON.stringify(body) }, signal);
    },
  };
}

/** Two spellings of one name would be sent as two headers. */
function lowerCaseNames(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
