import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { visible } from '../domain/outside-text.ts';
import type { TraceAttributes, TraceSpan, Tracing } from '../domain/ports/tracing.ts';
import type { Redact } from '../domain/redact.ts';

/** The only file that imports OpenTelemetry. It is loaded on demand. */

export interface OpenTelemetryOptions {
  /** The URL of an OTLP/HTTP receiver: `http://collector:4318/v1/traces`. */
  readonly url: string;
  /** Called when traces could not be exported, at most once a minute. */
  readonly onLost?: (why: string) => void;
  /** The time limit of an export, retries included, and of closing, in ms. Default 3,000. */
  readonly timeoutMs?: number;
  /** Removes secrets from texts in spans; default: none. */
  readonly redact?: Redact;
}

/** An exporter of traces, until it is closed. */
export interface OpenTelemetry extends Tracing {
  close(): Promise<void>;
}

/** The SDK's default of 10 s would delay the shutdown while the collector is down. */
const defaultTimeoutMs = 3_000;
const complaintEveryMs = 60_000;

/**
 * Exports traces to an OTLP/HTTP receiver as JSON. The SDK's variables configure the rest (OTEL_SERVICE_NAME,
 * OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_*). Only the handler of the SDK's
 * own errors is global.
 */
export function openTelemetry(options: OpenTelemetryOptions): OpenTelemetry {
  const { url, onLost = () => {}, timeoutMs = defaultTimeoutMs, redact = (text) => text } = options;
  let complainedAtMs = Number.NEGATIVE_INFINITY;
  const complain = (error: unknown) => {
    if (performance.now() - complainedAtMs < complaintEveryMs) return;
    complainedAtMs = performance.now();
    const { message = String(error), code } = error as { message?: string; code?: unknown };
    // The exporter's `code` is the HTTP status of the response, and its `message` the status text.
    onLost(
      (typeof code === 'number' ? `the collector responded with ${code} ${message}`.trim() : message).slice(
        0,
        300,
      ),
    );
  };
  setGlobalErrorHandler(complain);
  const clean = (text: string) => visible(redact(text));
  const cleaned = (attributes: TraceAttributes): TraceAttributes =>
    Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [
        key,
        typeof value === 'string' ? clean(value) : value,
      ]),
    );
  const spanOf = (span: Span): TraceSpan => ({
    set: (attributes) => void span.setAttributes(cleaned(attributes)),
  });
  const agent = new (url.startsWith('https:') ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: timeoutMs, httpAgentOptions: () => agent });
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'cuj-gate' }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer('cuj-gate');
  const contexts = new AsyncLocalStorageContextManager().enable();
  const propagator = new W3CTraceContextPropagator();
  const within = <T>(parent: Context, span: Span, work: () => T): T =>
    contexts.with(trace.setSpan(parent, span), work);

  return {
    request({ method, route, headers, attributes }, work) {
      const known = knownMethods.has(method);
      const name = known ? method : 'HTTP';
      const parent = propagator.extract(ROOT_CONTEXT, headers, carrier);
      const span = tracer.startSpan(
        route === undefined ? name : `${name} ${route}`,
        {
          kind: SpanKind.SERVER,
          attributes: {
            'http.request.method': known ? method : '_OTHER',
            ...(route === undefined ? {} : { 'http.route': route }),
            ...cleaned(attributes),
          },
        },
        parent,
      );
      const ending = {
        ...spanOf(span),
        end(status: number | undefined) {
          if (status !== undefined) span.setAttribute('http.response.status_code', status);
          if (status === undefined || status >= 500) {
            span.setAttribute('error.type', status === undefined ? 'cancelled' : String(status));
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
      within(parent, span, () => work(ending));
    },

    span(name, kind, attributes, work) {
      const parent = contexts.active();
      const span = tracer.startSpan(
        name,
        { kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL, attributes: cleaned(attributes) },
        parent,
      );
      const failed = (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: clean(message) });
        span.end();
      };
      try {
        const result = within(parent, span, () => work(spanOf(span)));
        if (result instanceof Promise) result.then(() => span.end(), failed);
        else span.end();
        return result;
      } catch (error) {
        failed(error);
        throw error;
      }
    },

    note(attributes) {
      const span = trace.getSpan(contexts.active());
      if (span?.isRecording()) span.setAttributes(cleaned(attributes));
    },

    async close() {
      let late: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        late = setTimeout(() => {
          complain(new Error(`the export took longer than ${timeoutMs} ms`));
          resolve();
        }, timeoutMs);
      });
      // Errors of the last export are passed only to this callback, not to the handler of errors.
      await Promise.race([provider.shutdown().catch(complain), limit]);
      clearTimeout(late);
      // A receiver that hangs must not delay the shutdown.
      agent.destroy();
      contexts.disable();
    },
  };
}

const knownMethods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
]);

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const carrier = {
  get: (headers: Headers, name: string) => headers[name],
  keys: (headers: Headers) => Object.keys(headers),
};
