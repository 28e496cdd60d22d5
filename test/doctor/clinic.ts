import type { Simulator, SimulatorOptions } from '../../src/demo/datadog/simulator.ts';
import { examine } from '../../src/doctor/examine.ts';
import type { DoctorFinding } from '../../src/doctor/finding.ts';
import type { BackendFacts } from '../../src/domain/ports/backend-facts.ts';
import type { JsonApi } from '../../src/domain/ports/json-api.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { GateDocument, RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createDatadogApi, DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { surveyDatadog } from '../../src/sources/datadog/api/doctor-survey.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { MINUTE, NOON, simulatorAt, stopAll } from '../demo/datadog/fixture.ts';

const open: DatadogConnection[] = [];

/** Opens a simulator with the product's own Datadog client. */
export function apiOf(simulator: Simulator): JsonApi {
  const connection = new DatadogConnection({
    apiKey: 'a'.repeat(32),
    appKey: 'b'.repeat(40),
    url: simulator.url,
  });
  open.push(connection);
  return createDatadogApi(connection);
}

export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
  await stopAll();
}

/** A registry from a document; throws if it has problems. */
export function registryOf(document: RegistryDocument): Registry {
  const resolved = resolveRegistry([{ file: 'cujs.yaml', document }], `sha256:${'0'.repeat(64)}`, {
    dialect: datadogDialect,
  });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
  return resolved.registry;
}

/** Gate settings with which a pass is always a proven one, however few requests prove it. */
export const provenOnly = { passAfter: 'never', minRequests: 0 } as const satisfies GateDocument;

/** Gate settings of a limited pass after eight minutes and 60 clean requests. */
export const limitedPass = {
  passAfter: '8m',
  rulesOutRate: 5,
  minRequests: 60,
} as const satisfies GateDocument;

/** The registry of a shop, for tests to change: one traced service, two CUJs. */
export function shopDocument(gate: GateDocument = {}): RegistryDocument {
  return {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.95 }, gate },
    services: {
      shop: { env: 'production', operation: 'express.request', canary: 'version:{version}' },
    },
    cujs: [
      {
        name: 'buy',
        owner: 'team-shop',
        service: 'shop',
        endpoints: ['GET /items/:id', 'POST /orders'],
      },
      {
        name: 'search',
        owner: 'team-shop',
        service: 'shop',
        slo: { latency: 99 },
        endpoints: [{ method: 'GET', path: '/search', latencyMs: 300 }],
      },
    ],
  };
}

export const hits = { operation: 'express.request', env: 'production', service: 'shop' };
export const routes: Readonly<Record<string, number>> = {
  'GET /items/:id': 5_000,
  'POST /orders': 400,
  'GET /search': 2_000,
  'GET /healthz': 9_000,
  'GET /recommendations': 3_000,
};

/** A morning's requests of the shop in two versions, with a few failures. */
export function trade(
  { store }: Simulator,
  change: Partial<typeof hits> = {},
  of: Readonly<Record<string, number>> = routes,
): void {
  for (const [resource, count] of Object.entries(of)) {
    for (const [version, share] of [
      ['v1', 0.9],
      ['v2', 0.1],
    ] as const) {
      const event = { ...hits, version, resource, at: NOON - 200 * MINUTE, ...change };
      store.recordRequests({ ...event, statusCode: 200, count: count * share });
      store.recordRequests({ ...event, statusCode: 500, count: 1 });
    }
  }
}

export async function clinic(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  return (await simulatorAt(NOON, options)).simulator;
}

/** Runs doctor against a simulator, over HTTP. */
export async function visit(
  simulator: Simulator,
  document: RegistryDocument,
): Promise<{ facts: BackendFacts; findings: DoctorFinding[] }> {
  const registry = registryOf(document);
  const facts = await surveyDatadog({ api: apiOf(simulator), registry, now: () => NOON });
  return { facts, findings: examine(registry, facts, { top: 5 }) };
}
