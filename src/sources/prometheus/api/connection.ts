import { setTimeout as delay } from 'node:timers/promises';
import { errors, Pool } from 'undici';
import { SourceError } from '../../../domain/errors.ts';
import { clockSkewOf } from '../../../domain/judge/clock-skew.ts';
import { type Redact, redactor } from '../../../domain/redact.ts';
import { dateOfAnswer, secondsUntilRetry } from '../../transport/header-times.ts';
import { type Exchanged, exchange } from '../../transport/http-exchange.ts';
import { type AttemptClock, type RetryRules, withAttempts } from '../../transport/retry.ts';
import {
  failureOfConnection,
  failureOfStatus,
  malformed,
  rateLimited,
  timeoutFailure,
} from './error-mapping.ts';
import { type ReadingTurn, ReadingTurns } from './reading-turns.ts';

export interface PrometheusOptions {
  /** Base URL of the API, without `/api/v1`: `http(s)://host[:port][/path]`. */
  readonly url: string;
  /** Bearer token. */
  readonly token?: string | undefined;
  /** Basic authentication. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** X-Scope-OrgID. */
  readonly tenant?: string | undefined;
  /** The most that one question takes, retries included. The caller's signal may be earlier. Default 8,000. */
  readonly deadlineMs?: number;
  /** A longer answer is refused. Default 16 MiB, which is about 700,000 samples. */
  readonly maxAnswerBytes?: number;
  /** Told of every 429 that names the seconds until the next try. */
  readonly onRateLimited?: (seconds: number) => void;
  /** Told of every 200 that has a Date how far our own clock is ahead of it (below 0: behind), in ms. */
  readonly onClockSkew?: (skewMs: number) => void;
  /** Epoch ms, to be compared with the Date of answers; the system's clock by default. */
  readonly epochNow?: () => number;
  /** Monotonic ms, randomness and waiting; Node's own by default. */
  readonly clock?: Partial<AttemptClock>;
}

/** A 200 whose content is JSON. */
export interface PrometheusAnswer {
  readonly json: unknown;
  /** How far our own clock was ahead of the backend's (below 0: behind), in ms; undefined where the answer has no Date. */
  readonly clockSkewMs: number | undefined;
}

/** An answer of any status, as it came. */
export interface PlainAnswer {
  readonly status: number;
  readonly text: string;
}

const defaultDeadlineMs = 8_000;
const defaultMaxAnswerBytes = 16 * 1024 * 1024;
/** An AnalysisTemplate asks every 30 s to 5 min: a connection that lives shorter costs a TLS handshake each time. */
const keepAliveMs = 10 * 60_000;
const maxConnections = 16;
/** An answer that cannot be right is no better a moment later. */
const retryRules: RetryRules = {
  mayPass: ['source_unavailable', 'source_timeout'],
  timedOut: timeoutFailure,
};

/** The way to the HTTP API of Prometheus or what speaks it: one deadline for each question, and SourceErrors for all that goes wrong. */
export class PrometheusConnection {
  readonly origin: string;
  /** Takes the credentials of this connection out of a text. */
  readonly redact: Redact;
  readonly #basePath: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #pool: Pool;
  readonly #options: PrometheusOptions;
  readonly #deadlineMs: number;
  readonly #maxAnswerBytes: number;
  readonly #epochNow: () => number;
  readonly #clock: AttemptClock;
  readonly #turns = new ReadingTurns();
  /** Monotonic ms: nothing is sent before. */
  #heldUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: PrometheusOptions) {
    const url = new URL(options.url);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw new TypeError(`${url.protocol} is not HTTP`);
    this.#basePath = url.pathname.replace(/\/+$/, '');
    const { token, username, password, tenant } = options;
    this.origin = `${url.origin}${this.#basePath}${tenant === undefined ? '' : ` ${tenant}`}`;
    const basic =
      username === undefined
        ? undefined
        : Buffer.from(`${username}:${password ?? ''}`, 'utf8').toString('base64');
    this.#headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(basic === undefined ? {} : { authorization: `Basic ${basic}` }),
      ...(tenant === undefined ? {} : { 'x-scope-orgid': tenant }),
    };
    this.redact = redactor([token, password, basic]);
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? defaultMaxAnswerBytes;
    this.#epochNow = options.epochNow ?? Date.now;
    this.#clock = {
      now: () => performance.now(),
      random: Math.random,
      sleep: (ms, signal) => delay(ms, undefined, { signal }),
      ...options.clock,
    };
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

  /** Asks nothing for so long, as after a 429. */
  holdOff(seconds: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, this.#clock.now() + seconds * 1000);
  }

  /** Runs attempts inside the deadline; each may call {@link instant} with the signal that it is given. */
  attempt<T>(attempt: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return withAttempts(attempt, signal, this.#deadlineMs, this.#clock, retryRules);
  }

  /**
   * One instant query at a time in epoch ms: POST /api/v1/query. Answers are read and parsed one after the other. Throws SourceError for everything but a 200 with JSON; the
   * signal's reason when it aborts.
   */
  async instant(query: string, atMs: number, signal: AbortSignal): Promise<PrometheusAnswer> {
    let turn: ReadingTurn | undefined;
    const takeTurn = () => {
      turn = this.#turns.take();
      return turn.begun;
    };
    try {
      return await this.#read(query, atMs, signal, takeTurn);
    } finally {
      turn?.end();
    }
  }

  /**
   * GET of a path below the base URL, such as `/api/v1/stores`: for short answers about the backend itself, which take no turn and whose 429
   * holds no query off. Throws SourceError where there is no answer, or while the backend has told to wait; the signal's reason when it aborts.
   */
  async get(path: string, signal: AbortSignal): Promise<PlainAnswer> {
    this.#refuseHeld();
    const request = { method: 'GET', path: `${this.#basePath}${path}`, headers: this.#headers } as const;
    try {
      const { status, text } = await exchange(this.#pool, request, signal, {
        onStart: () => this.#refuseHeld(),
        onHead: () => {},
      });
      return { status, text };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof SourceError) throw error;
      throw failureOfConnection(error, this.redact);
    }
  }

  async #read(
    query: string,
    atMs: number,
    signal: AbortSignal,
    beforeBody: () => Promise<void>,
  ): Promise<PrometheusAnswer> {
    this.#refuseHeld();
    const body = new URLSearchParams({
      query,
      time: (atMs / 1000).toFixed(3),
      // Thanos and VictoriaMetrics would otherwise answer with what they have; others ignore this.
      partial_response: 'false',
      deny_partial_response: '1',
    }).toString();
    let answer: Exchanged;
    let sentMs = 0;
    let answeredMs = 0;
    try {
      answer = await exchange(
        this.#pool,
        { method: 'POST', path: `${this.#basePath}/api/v1/query`, headers: this.#headers, body },
        signal,
        {
          onStart: () => {
            this.#refuseHeld();
            sentMs = this.#epochNow();
          },
          onHead: (status, headers) => {
            answeredMs = this.#epochNow();
            if (status === 429) this.#limited(secondsUntilRetry(headers, this.#epochNow()));
          },
          beforeBody,
        },
      );
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof SourceError) throw error;
      if (error instanceof errors.ResponseExceededMaxSizeError) {
        throw new SourceError(
          'source_malformed',
          `Prometheus' answer is longer than ${this.#maxAnswerBytes} bytes.`,
          'The samples of all pods, endpoints and statuses are read: shorten maxWindow, or drop labels that nobody needs (docs/prometheus-reference.md).',
          { lasting: true },
        );
      }
      throw failureOfConnection(error, this.redact);
    }
    const { status, headers, text } = answer;
    if (status > 200 && status < 300) throw malformed(`it came with status ${status}`);
    if (status !== 200) throw failureOfStatus(status, text, this.redact);
    const dateMs = dateOfAnswer(headers);
    const clockSkewMs = dateMs === undefined ? undefined : clockSkewOf(dateMs, sentMs, answeredMs);
    if (clockSkewMs !== undefined) this.#options.onClockSkew?.(clockSkewMs);
    try {
      return { json: JSON.parse(text), clockSkewMs };
    } catch (error) {
      throw text.trimStart().startsWith('<')
        ? malformed(
            'it is a web page and not JSON',
            'Check CUJ_GATE_PROMETHEUS_URL: it is the address of another program, or a proxy answers in the place of Prometheus.',
            error,
          )
        : malformed('it is not JSON; most likely it was cut off on the way', undefined, error);
    }
  }

  /** Closes idle connections and waits for those in use. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  #refuseHeld(): void {
    const leftMs = this.#heldUntilMs - this.#clock.now();
    if (leftMs > 0) throw rateLimited(Math.ceil(leftMs / 1000));
  }

  #limited(seconds: number | undefined): never {
    const failure = rateLimited(seconds);
    const { retryAfterSeconds } = failure;
    if (retryAfterSeconds !== undefined) {
      this.holdOff(retryAfterSeconds);
      this.#options.onRateLimited?.(retryAfterSeconds);
    }
    throw failure;
  }
}
