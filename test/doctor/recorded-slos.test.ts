import { describe, expect, it } from 'vitest';
import { checkRecordedSlos } from '../../src/doctor/check-recorded-slos.ts';
import { checkTraffic } from '../../src/doctor/check-traffic.ts';
import type { BackendFacts, CounterFacts, ServiceFacts } from '../../src/domain/ports/backend-facts.ts';
import type { Service } from '../../src/domain/registry/model.ts';
import { registryOf, timedDocument } from '../sources/prometheus/traffic.ts';

const registry = registryOf(timedDocument);
const facts = {
  recordedSlos: new Map<string, number>(),
  counters: new Map([['orders', { series: 12 } as CounterFacts]]),
} as unknown as BackendFacts;

describe('recorded SLOs', () => {
  it('are missed where rules would record them, which they do not of native histograms', () => {
    const missing = (of: typeof registry) => checkRecordedSlos(of, facts)[0]?.message;
    expect(missing(registry)).toBe(
      'no error budget is recorded of order availability, order latency, orders availability, orders latency',
    );
    const app = { ...timedDocument.sources?.app, duration: 'http_duration_seconds{job="{service}"}' };
    const sources = { app } as NonNullable<typeof timedDocument.sources>;
    expect(missing(registryOf({ ...timedDocument, sources }))).toBe(
      'no error budget is recorded of order availability, orders availability',
    );
  });
});

describe('a service without requests in the last day', () => {
  it('may be new where its counter is there', () => {
    const [found] = checkTraffic(
      registry,
      facts,
      registry.services.get('orders') as Service,
      {
        total: 0,
      } as ServiceFacts,
    );
    expect(found).toMatchObject({
      severity: 'warning',
      check: 'no-traffic',
      message:
        'the source "app" counted nothing for orders in the full hours of the last day; 12 series are there now',
      fix: expect.stringContaining('If the service is new'),
    });
  });
});
