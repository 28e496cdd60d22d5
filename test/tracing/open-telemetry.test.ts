import { expect, it } from 'vitest';
import { openTelemetry } from '../../src/tracing/open-telemetry.ts';
import { startReceiver } from './receiver.ts';

const about = { method: 'GET', route: '/cujs', headers: {}, attributes: {} };

it('what throws, now or later, is marked and passed on', async () => {
  const { url, spans } = await startReceiver();
  const traces = openTelemetry({ url: `${url}/v1/traces` });
  const now = new Error('now');
  const later = new Error('later');
  expect(() =>
    traces.span('first', 'internal', {}, () => {
      throw now;
    }),
  ).toThrow(now);
  await expect(traces.span('second', 'client', {}, () => Promise.reject(later))).rejects.toBe(later);
  expect(traces.span('third', 'internal', {}, () => 42)).toBe(42);
  await traces.close();
  expect(spans.map(({ name, status }) => [name, status])).toEqual([
    ['first', { code: 2, message: 'now' }],
    ['second', { code: 2, message: 'later' }],
    ['third', { code: 0 }],
  ]);
});

it('shows no secret and nothing that a terminal would obey', async () => {
  const { url, spans } = await startReceiver();
  const redact = (text: string) => text.replaceAll('hunter2', '[redacted]');
  const traces = openTelemetry({ url: `${url}/v1/traces`, redact });
  const attributes = { path: '/x\u009bhunter2', count: 3 };
  const failed = traces.span('ask', 'client', attributes, async (span) => {
    span.set({ more: 'hunter2' });
    throw new Error('bad key hunter2\u202e');
  });
  await expect(failed).rejects.toThrow('hunter2');
  traces.request({ ...about, attributes: { path: 'hunter2' } }, (span) => span.end(200));
  await traces.close();
  expect(spans[0]).toMatchObject({
    status: { code: 2, message: 'bad key [redacted]\\u202e' },
    attributes: { path: '/x\\u009b[redacted]', count: 3, more: '[redacted]' },
  });
  expect(spans[1]?.attributes.path).toBe('[redacted]');
});

it('a server’s own failure marks the request, a caller’s mistake does not', async () => {
  const { url, spans } = await startReceiver();
  const traces = openTelemetry({ url: `${url}/v1/traces` });
  for (const status of [200, 404, 503]) traces.request(about, (span) => span.end(status));
  await traces.close();
  expect(spans.map(({ status, attributes }) => [status.code, attributes['error.type']])).toEqual([
    [0, undefined],
    [0, undefined],
    [2, '503'],
  ]);
});

it('notes belong to what is being traced where they are made, and are nothing elsewhere', async () => {
  const { url, spans } = await startReceiver();
  const traces = openTelemetry({ url: `${url}/v1/traces` });
  traces.note({ nowhere: true });
  await Promise.all(
    ['a', 'b'].map((name) =>
      traces.span(name, 'internal', {}, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        traces.note({ name });
      }),
    ),
  );
  await traces.close();
  expect(spans.map(({ name, attributes }) => [name, attributes])).toEqual([
    ['a', { name: 'a' }],
    ['b', { name: 'b' }],
  ]);
});

it('a collector that takes nothing is told of once', async () => {
  const { url, bodies } = await startReceiver((response) => {
    response.statusCode = 404;
    response.end();
  });
  const lost: string[] = [];
  const traces = openTelemetry({ url: `${url}/v1/traces`, onLost: (why) => lost.push(why) });
  traces.request(about, (span) => span.end(200));
  await traces.close();
  expect(bodies).toHaveLength(1);
  expect(lost).toEqual(['the collector responded with 404 Not Found']);
});

it('a collector that is not there is told of, and holds no end up', async () => {
  const lost: string[] = [];
  const traces = openTelemetry({
    url: 'http://127.0.0.1:1/v1/traces',
    onLost: (why) => lost.push(why),
    timeoutMs: 200,
  });
  traces.request(about, (span) => span.end(200));
  const began = performance.now();
  await traces.close();
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(lost).toHaveLength(1);
});
