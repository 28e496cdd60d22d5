import type { Dispatcher } from 'undici';

/** What happens to one request on its way; each may throw, which ends the exchange with that error. */
export interface ExchangeHooks {
  /** A connection is free and the request is about to be written. What it throws keeps it from being sent. */
  readonly onStart: () => void;
  /** The status line and the headers are there, the body may still be to come. What it throws, the body is not for. */
  readonly onHead: (status: number, headers: Readonly<Record<string, string>>) => void;
  /** Called after that. The body is left on the way until it resolves. Absent: it is read at once. */
  readonly beforeBody?: () => Promise<void>;
}

export interface Exchanged {
  readonly status: number;
  /** Repeated headers are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** UTF-8, without a byte order mark. */
  readonly text: string;
}

/** Maximum length of an unread body before its connection is closed. */
const maxUnreadBytes = 64 * 1024;
const byteOrderMark = 0xfeff;

/**
 * One request and its answer. Unlike undici's own `request` it lets the caller look at the two moments at which the
 * rate limit counts, before anything else of the pool moves on: a request waits for a connection, and by the time it
 * gets one it may no longer be sent; and the connection that brings a 429 is the next one to become free.
 * Rejects with what a hook threw, the signal's reason, or undici's error.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  signal: AbortSignal,
  hooks: ExchangeHooks,
): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    dispatcher.dispatch(request, new Exchange(signal, hooks, resolve, reject));
  });
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal;
  readonly #hooks: ExchangeHooks;
  readonly #resolve: (exchanged: Exchanged) => void;
  readonly #reject: (reason: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: Record<string, string> = {};
  #chunks: Buffer[] = [];
  #unreadBytes = 0;
  #settled = false;

  constructor(
    signal: AbortSignal,
    hooks: ExchangeHooks,
    resolve: (exchanged: Exchanged) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#signal = signal;
    this.#hooks = hooks;
    this.#resolve = resolve;
    this.#reject = reject;
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  readonly #onAbort = () => {
    this.#fail(this.#signal.reason);
    this.#controller?.abort(this.#signal.reason);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#signal.aborted) throw this.#signal.reason;
    this.#controller = controller;
    this.#hooks.onStart();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // 1xx: the answer is still to come.
    if (status < 200) return;
    this.#status = status;
    this.#headers = singleHeaders(headers);
    try {
      this.#hooks.onHead(status, this.#headers);
    } catch (error) {
      // The rest is read and forgotten, so that the connection lives on.
      this.#fail(error);
      return;
    }
    const { beforeBody } = this.#hooks;
    if (beforeBody === undefined) return;
    controller.pause();
    void beforeBody().then(() => controller.resume());
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#settled) {
      this.#chunks.push(chunk);
      return;
    }
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes > maxUnreadBytes) controller.abort(new Error('the body is not read'));
  }

  onResponseEnd(): void {
    if (this.#settled) return;
    this.#settle();
    const text = Buffer.concat(this.#chunks).toString('utf8');
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      text: text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text,
    });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(reason: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#chunks = [];
    this.#reject(reason);
  }

  #settle(): void {
    this.#settled = true;
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

function singleHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const single: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) single[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return single;
}
