import type { BatchQuery } from '../../src/domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../src/domain/registry/model.ts';
import { fillSelector } from '../../src/domain/registry/selector.ts';
import { registryOf } from '../domain/judge/journey.ts';

/** The query of the figures about the client: one service, 24 endpoints, half an hour. */

export const endMs = Date.UTC(2026, 5, 1, 9);

export const endpoints = Array.from({ length: 24 }, (_, i) => `GET /api/v1/things/${i}`);

export function clientQuestion(): BatchQuery {
  const registry = registryOf(
    JSON.stringify({
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99.95 }, gate: { maxWindow: '30m' } },
      services: { api: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
      cujs: [{ name: 'all', owner: 'team', service: 'api', endpoints }],
    }),
  );
  const batch = registry.batchOfService.get('api') as QueryBatch;
  const service = registry.services.get('api');
  if (service === undefined) throw new Error('the registry has lost its service');
  return {
    batch,
    canary: fillSelector(service.canary, new Map([['version', 'v2']]), service.dialect),
    stable: undefined,
    fromMs: endMs - 30 * 60_000,
    toMs: endMs,
    stepMs: 60_000,
  };
}
