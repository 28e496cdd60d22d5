import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { BackendCall } from '../backend.ts';
import type { Draw } from '../draw.ts';
import type { FaultGun } from '../fault-gun.ts';
import { afterglowMs } from '../phases.ts';
import { type Answer, type AnswerFault, type ContentFault, isContentFault, spoil } from './faults.ts';

/** One question to Prometheus that passed the proxy. */
export interface ProxiedCall extends BackendCall {
  status: number | null;
  /** Of the gate that asked. */
  readonly life: string;
  /** The end of what was asked for, epoch ms. */
  readonly toMs: number;
  /** Asked behind the counters of the same pods, by a gate that could use their answer. */
  readonly isOfDurations: boolean;
}

/** What passes through it for a while, beside the faults of single answers. */
export interface ProxyState {
  /** All samples that are younger than this are missing, as where remote write is stuck; undefined: none are. */
  lateMs: number | undefined;
  /** Every answer waits for so long. */
  slowMs: number;
}

export interface ProxyOptions {
  /** Of Prometheus, which may be away. */
  readonly upstream: string;
  readonly gun: FaultGun<AnswerFault>;
  readonly draw: Draw;
  /** Whether answers until a time, epoch ms, lack the series of a pod, as where the store that has them is forgotten. */
  readonly isForgotten: (pod: string, toMs: number) => boolean;
}

const form = { 'content-type': 'application/x-www-form-urlencoded' } as const;
/** Longer than the gate reads (16 MiB). */
const oversizedBytes = 17 * 1024 * 1024;

/** Faults after which an answer is late, or has another status. */
const muddling: ReadonlySet<string> = new Set([
  'hang',
  'slow_head',
  'slow_body',
  'reset',
  'reset_mid_body',
  'status',
  'query_timed_out',
]);

interface Upstream {
  readonly status: number;
  readonly date: string | undefined;
  readonly body: Buffer;
}

/** Stands between the gates and Prometheus. Where Prometheus is away, it resets connections. */
export class FaultProxy {
  readonly state: ProxyState = { lateMs: undefined, slowMs: 0 };
  readonly calls: ProxiedCall[] = [];
  readonly #options: ProxyOptions;
  readonly #agent = new Agent({ connections: 32 });
  readonly #server: Server;
  readonly #muddled = new WeakSet<BackendCall>();
  /** Epoch ms of the answers whose `Date` was wrong or missing, in order. */
  readonly #misdatedAt: number[] = [];
  #misses = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = createServer((incoming, response) => {
      // A gate that is killed, or has waited for long enough, closes the connection.
      this.#answer(incoming, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    await this.#agent.destroy();
  }

  /** Calls for which Prometheus itself gave no answer. */
  get misses(): number {
    return this.#misses;
  }

  isMuddled(call: BackendCall): boolean {
    return this.#muddled.has(call);
  }

  /** Whether an answer of a gate may be based on one whose `Date` was wrong or missing. */
  datesWrongNear(startedMs: number, endedMs: number): boolean {
    const newest = this.#misdatedAt.findLast((at) => at <= endedMs);
    return newest !== undefined && newest >= startedMs - afterglowMs;
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const asked = new URLSearchParams(body.toString('utf8'));
    const call: ProxiedCall = {
      at: Date.now(),
      path: incoming.url ?? '/',
      status: null,
      life: (incoming.headers.authorization ?? '').replace(/^Bearer /, ''),
      toMs: Math.round(Number(asked.get('time')) * 1000),
      isOfDurations: asked.get('query')?.includes('_bucket{') === true,
    };
    this.calls.push(call);
    // Others ask about the backend itself, such as for its stores.
    const isQuery = call.path.endsWith('/query');
    const faults = this.#options.gun.strike(call.at, (fault) => isQuery || !isContentFault(fault));
    if (faults.some(({ kind }) => muddling.has(kind)) || this.state.slowMs > 0) this.#muddled.add(call);
    await sleep(this.state.slowMs);
    for (const fault of faults) if (fault.kind === 'slow_head') await sleep(fault.delayMs);
    if (faults.some(({ kind }) => kind === 'hang')) return;
    if (faults.some(({ kind }) => kind === 'reset')) return response.socket?.resetAndDestroy() as undefined;
    const refusal = faults.map(refusalOf).find(Boolean);
    if (refusal !== undefined) {
      call.status = refusal.status;
      response.writeHead(refusal.status, refusal.headers).end(refusal.text);
      return;
    }
    const upstream = await this.#ask(incoming.method, call.path, body);
    if (upstream === undefined) {
      this.#misses += 1;
      response.socket?.resetAndDestroy();
      return;
    }
    await this.#send(response, call, faults, upstream);
  }

  async #ask(method: string | undefined, path: string, body: Buffer): Promise<Upstream | undefined> {
    try {
      const {
        statusCode,
        headers,
        body: answer,
      } = await request(`${this.#options.upstream}${path}`, {
        method: method === 'POST' ? 'POST' : 'GET',
        ...(body.length === 0 ? {} : { headers: form, body }),
        dispatcher: this.#agent,
      });
      const { date } = headers;
      return {
        status: statusCode,
        date: typeof date === 'string' ? date : undefined,
        body: Buffer.from(await answer.arrayBuffer()),
      };
    } catch {
      return undefined;
    }
  }

  async #send(
    response: ServerResponse,
    call: ProxiedCall,
    faults: readonly AnswerFault[],
    upstream: Upstream,
  ): Promise<void> {
    const has = (kind: AnswerFault['kind']) => faults.some((fault) => fault.kind === kind);
    call.status = upstream.status;
    response.sendDate = false;
    const date = this.#dateOf(call, faults, upstream.date);
    if (date !== undefined) response.setHeader('Date', date);
    const isHtml = has('html') || has('wrong_content_type');
    response.setHeader('Content-Type', isHtml ? 'text/html' : 'application/json');
    response.statusCode = upstream.status;
    if (has('oversized')) {
      response.end(Buffer.alloc(oversizedBytes, ' '));
      return;
    }
    let body =
      upstream.status === 200
        ? this.#content(call, faults.filter(isContentFault), upstream.body)
        : upstream.body;
    if (has('html')) body = Buffer.from('<html><body>Please log in</body></html>');
    if (has('empty_body')) body = Buffer.alloc(0);
    const half = Math.floor(body.length / 2);
    if (has('cut_off')) body = body.subarray(0, half);
    if (has('reset_mid_body')) {
      response.setHeader('Content-Length', body.length);
      response.write(body.subarray(0, half), () => response.socket?.resetAndDestroy());
      return;
    }
    for (const fault of faults) {
      if (fault.kind !== 'slow_body') continue;
      response.setHeader('Content-Length', body.length);
      response.write(body.subarray(0, half));
      await sleep(fault.delayMs);
      response.end(body.subarray(half));
      return;
    }
    response.end(body);
  }

  /** The body with what is missing for a while, and the faults of its content. */
  #content({ toMs, at, isOfDurations }: ProxiedCall, faults: readonly ContentFault[], body: Buffer): Buffer {
    const { isForgotten, draw } = this.#options;
    const { lateMs } = this.state;
    const answer: Answer = JSON.parse(body.toString('utf8'));
    const { data } = answer;
    data.result = data.result.filter(({ metric }) => !isForgotten(metric.pod ?? '', toMs));
    // Counters that are late have no durations asked for: here only those of counters that were not late yet would be cut off.
    if (lateMs !== undefined && !isOfDurations) {
      const lastMs = at - lateMs;
      for (const one of data.result)
        if (one.values !== undefined) one.values = one.values.filter(([seconds]) => seconds * 1000 <= lastMs);
      data.result = data.result.filter(({ values }) => values === undefined || values.length > 0);
    }
    for (const fault of faults) spoil(answer, fault, draw);
    return Buffer.from(JSON.stringify(answer));
  }

  #dateOf(call: ProxiedCall, faults: readonly AnswerFault[], date: string | undefined): string | undefined {
    for (const fault of faults) {
      if (fault.kind !== 'date_shifted' && fault.kind !== 'date_replaced') continue;
      this.#misdatedAt.push(call.at);
      return fault.kind === 'date_replaced'
        ? fault.date
        : new Date(Date.now() + fault.offsetMs).toUTCString();
    }
    return date;
  }
}

interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What is answered without asking Prometheus. */
function refusalOf(fault: AnswerFault): Refusal | undefined {
  const json = { 'Content-Type': 'application/json' };
  switch (fault.kind) {
    case 'rate_limited':
      return {
        status: 429,
        headers: { ...json, 'Retry-After': String(fault.retryAfterSeconds) },
        text: JSON.stringify({ status: 'error', errorType: 'too_many_requests', error: 'too many requests' }),
      };
    case 'query_timed_out':
      return {
        status: 503,
        headers: json,
        text: JSON.stringify({
          status: 'error',
          errorType: 'timeout',
          error: 'query timed out in expression evaluation',
        }),
      };
    case 'status':
      return { status: fault.status, headers: { 'Content-Type': 'text/plain' }, text: 'no healthy upstream' };
    default:
      return undefined;
  }
}
