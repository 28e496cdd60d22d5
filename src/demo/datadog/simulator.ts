import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Answer, answerCall } from './api.ts';
import type { Call } from './call.ts';
import type { StoredEvent } from './events.ts';
import { type Fault, type FaultFunction, FaultList, type RateLimit, rateLimitHeaders } from './faults.ts';
import { Quota } from './quota.ts';
import { Rejection } from './rejection.ts';
import { type SloDefinition, type StoredSlo, storeSlo } from './slo.ts';
import { toText } from './spoil.ts';
import { EventStore } from './store.ts';

export interface SimulatorOptions {
  /** The clock, epoch milliseconds. */
  readonly now: () => number;
  /** The store with the data; default: an empty store. */
  readonly store?: EventStore;
  /** Default: 0, any free port. */
  readonly port?: number;
  /** Checked only if set. */
  readonly apiKey?: string;
  readonly applicationKey?: string;
  /** Of the intake of events; default: `apiKey`. */
  readonly eventsApiKey?: string;
  /** Enforces retention as recorded: queries that end before it are refused with 400. Default: not enforced. */
  readonly retentionMs?: number;
  /** A quota on the query endpoints, with headers, and 429 when exceeded. Default: none. */
  readonly quota?: { readonly limit: number; readonly periodSeconds: number; readonly name?: string };
  /**
   * Timeseries are answered in buckets of at least this width, without a word, as Datadog may do: 20,000 or 60,000, for
   * example. Default: 0, the requested interval is honoured.
   */
  readonly minIntervalMs?: number;
  /** Says in the answer to validate that it is a simulation. Default: it does not, as Datadog. */
  readonly declaresItself?: boolean;
}

export interface Simulator {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly store: EventStore;
  readonly calls: Call[];
  /** The events that were accepted, in order. */
  readonly events: StoredEvent[];
  readonly faults: FaultList;
  setFault(decide: FaultFunction | undefined): void;
  addSlo(definition: SloDefinition): StoredSlo;
  /** Closes the server and every socket, hanging ones too. */
  stop(): Promise<void>;
}

/** Starts a Datadog simulator on 127.0.0.1. It responds from a store, in the recorded formats, and fails on demand. */
export async function startDatadogSimulator(options: SimulatorOptions): Promise<Simulator> {
  const store = options.store ?? new EventStore({ now: options.now });
  const faults = new FaultList();
  const calls: Call[] = [];
  const events: StoredEvent[] = [];
  const slos = new Map<string, StoredSlo>();
  const quota = options.quota === undefined ? null : new Quota(options.quota, options.now);

  const answer = (call: Call, struck: readonly Fault[]): Answer => {
    const limits = quota !== null && /\/query/.test(call.path) ? quota.take() : null;
    if (limits?.exceeded) return rateLimited(limits);
    const retainedFromMs = options.retentionMs === undefined ? null : options.now() - options.retentionMs;
    try {
      const result = answerCall(call, {
        ...{ store, slos, events, keys: options, faults: struck, retainedFromMs },
        nowMs: options.now(),
        minIntervalMs: options.minIntervalMs ?? 0,
        declaresItself: options.declaresItself ?? false,
      });
      return limits === null
        ? result
        : { ...result, headers: { ...result.headers, ...rateLimitHeaders(limits) } };
    } catch (error) {
      const status = error instanceof Rejection ? error.status : 500;
      return { status, body: { errors: [error instanceof Error ? error.message : String(error)] } };
    }
  };

  const server = createServer((request, response) => {
    readText(request).then(
      (text) => {
        const url = new URL(request.url ?? '/', 'http://simulator');
        const call: Call = {
          at: options.now(),
          method: request.method ?? '',
          path: decodeURIComponent(url.pathname),
          search: url.searchParams,
          headers: request.headers,
          body: parseBody(text),
          status: null,
        };
        calls.push(call);
        const struck = faults.take(call);
        deliver(() => answer(call, struck), struck, call, response);
      },
      // The caller closed the connection while sending.
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    store,
    calls,
    events,
    faults,
    setFault: (decide) => faults.set(decide),
    addSlo: (definition) => {
      const slo = storeSlo(definition, options.now());
      slos.set(slo.id, slo);
      return slo;
    },
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

/** Sends the response, changed by the faults. */
function deliver(answer: () => Answer, faults: readonly Fault[], call: Call, response: ServerResponse): void {
  const find = <K extends Fault['kind']>(kind: K): Extract<Fault, { kind: K }> | undefined =>
    faults.find((fault): fault is Extract<Fault, { kind: K }> => fault.kind === kind);
  if (find('hang')) return;

  const slow = find('slow');
  if (slow) {
    const rest = faults.filter((fault) => fault !== slow);
    const timer = setTimeout(() => deliver(answer, rest, call, response), slow.delayMs);
    response.once('close', () => clearTimeout(timer));
    return;
  }

  const limited = find('rate_limited');
  const refused = find('status');
  let { status, body, headers } = limited ? rateLimited(defaultLimits(limited.limits)) : answer();
  let text = toText(body);
  if (refused) {
    status = refused.status;
    text = refused.body ?? JSON.stringify({ errors: [REASONS[status] ?? `status ${status}`] });
  }
  if (find('html')) {
    text = '<!DOCTYPE html><html><head><title>Datadog</title></head><body>Log in</body></html>';
    headers = { ...headers, 'Content-Type': 'text/html; charset=utf-8' };
  }
  if (find('cut_off')) text = text.slice(0, Math.ceil(text.length / 2));
  if (find('empty_body')) text = '';
  const announced = find('rate_limit_headers');
  if (announced) headers = { ...headers, ...rateLimitHeaders(announced.limits) };

  call.status = status;
  const bytes = Buffer.from(text);
  const dated = dateHeaders(call.at, find('date_shifted')?.offsetMs ?? 0, find('date_replaced'));
  response.sendDate = false;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...dated,
    'Content-Length': bytes.length,
    ...headers,
  });
  if (find('reset_mid_body')) {
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.socket?.resetAndDestroy());
  } else {
    response.end(bytes);
  }
}

/** By the simulator's own clock, not the machine's. */
function dateHeaders(
  nowMs: number,
  offsetMs: number,
  replaced: Extract<Fault, { kind: 'date_replaced' }> | undefined,
): Record<string, string> {
  const date = replaced === undefined ? new Date(nowMs + offsetMs).toUTCString() : replaced.date;
  return {
    ...(date === null ? {} : { Date: date }),
    ...(replaced?.ageSeconds === undefined ? {} : { Age: String(replaced.ageSeconds) }),
  };
}

const REASONS: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  429: 'Rate limit of your organization exceeded',
  500: 'Internal error',
  502: 'Bad gateway',
  503: 'Service unavailable',
};

function rateLimited(limits: RateLimit): Answer {
  return { status: 429, body: { errors: [REASONS[429]] }, headers: rateLimitHeaders(limits) };
}

function defaultLimits(given: Partial<RateLimit> = {}): RateLimit {
  return {
    limit: 100,
    periodSeconds: 60,
    remaining: 0,
    resetSeconds: 30,
    name: 'query_timeseries',
    ...given,
  };
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
