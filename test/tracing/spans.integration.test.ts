import { request } from 'node:http';
import pino from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SourceError } from '../../src/domain/errors.ts';
import type { MetricsSource } from '../../src/domain/metrics/metrics-source.ts';
import { listen } from '../../src/server/lifecycle.ts';
import { question, settingsOf } from '../auth/gate.ts';
import { healthy, nowMs, snapshotOf } from '../http/fixture.ts';
import { type ReceivedSpan, startReceiver } from './receiver.ts';

const well: MetricsSource = { measure: async (query) => snapshotOf(query, healthy, healthy) };

/** A gate that hands its spans over when it ends. */
async function startTraced(source = well, env: Record<string, string> = {}) {
  const receiver = await startReceiver();
  const settings = settingsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env });
  const { gate, url } = await listen(settings, {
    logger: pino({ level: 'silent' }),
    source,
    now: () => nowMs,
  });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= gate.close();
    return closed;
  };
  onTestFinished(close);
  return {
    url,
    receiver,
    ask: (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers }),
    async spans() {
      await close();
      return receiver.spans;
    },
  };
}

const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name);
const server = 'GET /cujs/:name/status';

describe('a question', () => {
  it('is a trace: the request, under it what was measured and judged, under that the call of Datadog', async () => {
    const { ask, spans, receiver } = await startTraced();
    expect((await ask(question)).status).toBe(200);
    const all = await spans();
    expect(receiver.paths).toEqual(['/v1/traces']);
    const [root] = named(all, server);
    const measures = named(all, 'measure');
    const calls = named(all, 'query Datadog');
    const [judge] = named(all, 'judge');
    expect(all).toHaveLength(6);
    expect(new Set(all.map(({ traceId }) => traceId)).size).toBe(1);
    expect(root).toMatchObject({
      kind: 2,
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/cujs/:name/status',
        'http.response.status_code': 200,
        'url.path': '/cujs/signup/status',
        'url.scheme': 'http',
        'cuj_gate.request_id': expect.any(String),
        'cuj_gate.cuj': 'signup',
        'cuj_gate.verdict': 'pass',
        'cuj_gate.reason': 'within_slo',
      },
      resource: { 'service.name': 'cuj-gate' },
    });
    expect(root?.parentSpanId).toBeUndefined();
    // The past in buckets of a minute, and the newest data in buckets of 10 s.
    expect(measures).toHaveLength(2);
    for (const measure of measures) {
      expect(measure).toMatchObject({
        kind: 1,
        parentSpanId: root?.spanId,
        attributes: {
          'cuj_gate.cache': 'miss',
          'cuj_gate.outcome': 'ok',
          'cuj_gate.canary': 'version:v2',
          'cuj_gate.stable': 'the rest',
          'cuj_gate.batch': expect.stringContaining('production/trace/'),
          'cuj_gate.buckets': expect.any(Number),
          'cuj_gate.services': expect.any(Number),
          'cuj_gate.groups': expect.any(Number),
        },
      });
    }
    expect(calls.map(({ kind, parentSpanId }) => [kind, parentSpanId])).toEqual(
      measures.map(({ spanId }) => [3, spanId]),
    );
    expect(judge).toMatchObject({
      kind: 1,
      parentSpanId: root?.spanId,
      attributes: { 'cuj_gate.cuj': 'signup', 'cuj_gate.verdict': 'pass', 'cuj_gate.reason': 'within_slo' },
    });
  });

  it('goes on with the trace that the caller names', async () => {
    const { ask, spans } = await startTraced();
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    await ask(question, { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    const all = await spans();
    expect(all.map((span) => span.traceId)).toEqual(Array(6).fill(traceId));
    expect(named(all, server)[0]?.parentSpanId).toBe('b7ad6b7169203331');
  });

  it.each([
    ['does not name one as it should', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'],
    ['names none', '00-00000000000000000000000000000000-b7ad6b7169203331-01'],
  ])('is a trace of its own where the caller %s', async (_, traceparent) => {
    const { ask, spans } = await startTraced();
    await ask(question, { traceparent });
    expect(named(await spans(), server)[0]?.parentSpanId).toBeUndefined();
  });

  it('is not traced where the caller traces nothing of it', async () => {
    const { ask, spans } = await startTraced();
    await ask(question, { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' });
    expect(await spans()).toEqual([]);
  });

  it('says whether it was answered from the cache, or with what another one asked', async () => {
    let answer = () => {};
    const waiting = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let asked = 0;
    const { ask, spans } = await startTraced({
      async measure(query, signal) {
        asked += 1;
        await waiting;
        return well.measure(query, signal);
      },
    });
    const both = [ask(question), ask('/cujs/login/status?version=v2')];
    while (asked === 0) await new Promise((resolve) => setImmediate(resolve));
    answer();
    await Promise.all(both);
    await ask(question);
    const all = await spans();
    expect(asked).toBe(named(all, 'query Datadog').length);
    const measured = named(all, 'measure').map(({ attributes }) => attributes['cuj_gate.cache']);
    expect(measured).toHaveLength(6);
    expect(measured.slice(-2)).toEqual(['hit', 'hit']);
    // A kept verdict is not judged again.
    expect(named(all, 'judge')).toHaveLength(2);
  });

  it('shows what failed, where it failed, and that the answer is a good one all the same', async () => {
    const { ask, spans } = await startTraced({
      measure: () => Promise.reject(new SourceError('source_unavailable', 'Datadog answered 503', '')),
    });
    expect((await ask(question)).status).toBe(200);
    const all = await spans();
    const failed = {
      status: { code: 2, message: 'Datadog answered 503' },
      attributes: { 'cuj_gate.outcome': 'source_unavailable' },
    };
    expect(named(all, 'query Datadog')[0]).toMatchObject(failed);
    expect(named(all, 'measure')[0]).toMatchObject(failed);
    expect(named(all, server)[0]).toMatchObject({
      status: { code: 0 },
      attributes: { 'http.response.status_code': 200, 'cuj_gate.reason': 'source_unavailable' },
    });
  });

  it('about a service says so', async () => {
    const { ask, spans } = await startTraced();
    await ask('/services/member-api/status?version=v2');
    const [root] = named(await spans(), 'GET /services/:service/status');
    expect(root?.attributes).toMatchObject({ 'cuj_gate.service': 'member-api', 'cuj_gate.verdict': 'pass' });
  });

  it('that nobody waits for any more ends as cancelled', async () => {
    const { url, ask, spans } = await startTraced({
      measure: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new SourceError('source_timeout', 'late', '')));
          // A caller that ends its side only may still read.
          caller.socket?.resetAndDestroy();
        }),
    });
    const caller = request(url + question).on('error', () => {});
    caller.end();
    await new Promise((resolve) => caller.on('close', resolve));
    // By then the gate has noticed.
    await ask('/registry');
    const [root] = named(await spans(), server);
    expect(root).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'cancelled' } });
    expect(root?.attributes).not.toHaveProperty('http.response.status_code');
  });
});

it('what no route takes is named by its method alone, and an unknown method by none', async () => {
  const { ask, url, spans } = await startTraced();
  await ask('/nothing/here');
  await fetch(url + question, { method: 'PROPFIND' });
  const all = await spans();
  expect(all.map(({ name }) => name)).toEqual(['GET', 'HTTP']);
  expect(all[0]?.attributes).toMatchObject({ 'http.response.status_code': 404, 'url.path': '/nothing/here' });
  expect(all[1]?.attributes).toMatchObject({ 'http.request.method': '_OTHER' });
});

it('probes and scrapes are not traced', async () => {
  const { ask, spans } = await startTraced();
  for (const path of ['/healthz', '/readyz', '/metrics']) await ask(path);
  expect(await spans()).toEqual([]);
});

it('nothing secret leaves with a trace', async () => {
  const { ask, spans, receiver } = await startTraced();
  await ask(`${question}&explain=true`, { authorization: 'Bearer top-secret', cookie: 'session=top-secret' });
  await ask('/cujs?token=top-secret');
  expect((await spans()).length).toBeGreaterThan(4);
  const text = receiver.bodies.join();
  expect(text).not.toContain('top-secret');
  expect(text).not.toContain('b'.repeat(40));
});

it('a collector that is to be spoken to by gRPC is told of at the start, and so is one that is not there', async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const settings = settingsOf({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  });
  const { gate, url } = await listen(settings, { logger, source: well });
  await fetch(url + question);
  await gate.close();
  expect(lines).toMatchObject([
    { level: 40, msg: 'OTLP over gRPC is not supported; exporting traces over HTTP' },
    { level: 40, msg: 'trace export failed', url: 'http://127.0.0.1:1/v1/traces' },
  ]);
});
