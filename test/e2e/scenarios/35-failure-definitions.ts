import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import type { Outcome, Spans } from '../traffic.ts';
import { noCache, startWorld, type World } from '../world.ts';

const ofDatadog = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  ledger: { env: production, operation: grpc.server, canary: "version:{version}", failure: grpc }
  accounts: { env: production, operation: grpc.server, canary: "version:{version}", failure: grpc }
  search: { env: production, operation: graphql.execute, canary: "version:{version}", failure: errors }
  web: { env: production, operation: express.request, canary: "version:{version}" }
cujs:
  - name: transfer
    owner: team-ledger
    service: ledger
    endpoints: [{ resource: /ledger.v1.ledger/transfer }]
  - name: look-up
    owner: team-ledger
    service: accounts
    endpoints: [{ resource: /accounts.v1.accounts/find }]
  - name: find
    owner: team-search
    service: search
    endpoints: [query Search]
  - name: login
    owner: team-identity
    service: web
    slo: { availability: 98 }
    failure: [5xx, 401]
    endpoints: [POST /login]
  - name: profile
    owner: team-identity
    service: web
    endpoints: [GET /profile]
`;

/** The same failures by sources, and names as labels have them. Of Istio's counter, the gate knows the statuses of gRPC by itself. */
const ofPrometheus = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
sources:
  mesh:
    total: istio_requests_total{reporter="source",destination_service_name="{service}"}
    bad: istio_requests_total{reporter="source",destination_service_name="{service}",response_code=~"5.."}
    groupBy: request_operation
  graphql:
    total: graphql_requests_total{job="{service}"}
    bad: graphql_requests_total{job="{service}",outcome="error"}
    groupBy: operation
  http: { total: "preset:opentelemetry", bad: "preset:opentelemetry" }
services:
  ledger: { env: production, source: mesh, canary: "destination_version:{version}" }
  accounts: { env: production, source: mesh, canary: "destination_version:{version}" }
  search: { env: production, source: graphql, canary: "service_version:{version}" }
  web: { env: production, source: http, canary: "service_version:{version}" }
cujs:
  - name: transfer
    owner: team-ledger
    service: ledger
    endpoints: [{ resource: /ledger.v1.Ledger/Transfer }]
  - name: look-up
    owner: team-ledger
    service: accounts
    endpoints: [{ resource: /accounts.v1.Accounts/Find }]
  - name: find
    owner: team-search
    service: search
    endpoints: [query Search]
  - name: login
    owner: team-identity
    service: web
    slo: { availability: 98 }
    failure: [5xx, 401]
    endpoints: [POST /login]
  - name: profile
    owner: team-identity
    service: web
    endpoints: [GET /profile]
`;

type Journey = Pick<Spans, 'service' | 'operation' | 'resource' | 'good'>;

const ok: Outcome = { grpcCode: 0 };
const transfer: Journey = {
  service: 'ledger',
  operation: 'grpc.server',
  resource: '/ledger.v1.Ledger/Transfer',
  good: ok,
};
const lookUp: Journey = { ...transfer, service: 'accounts', resource: '/accounts.v1.Accounts/Find' };
const find: Journey = {
  service: 'search',
  operation: 'graphql.execute',
  resource: 'query Search',
  good: { isError: false },
};
const login: Journey = {
  service: 'web',
  operation: 'express.request',
  resource: 'POST /login',
  good: { statusCode: 200 },
};
const profile: Journey = { ...login, resource: 'GET /profile' };

const notFound: Outcome = { grpcCode: 5, isError: true };
const unavailable: Outcome = { grpcCode: 14, isError: true };
const graphqlErrors: Outcome = { isError: true };
const unauthorized: Outcome = { statusCode: 401, isError: false };

/** Two hours of stable, or ten minutes of a canary and as many to come. */
function flow(
  { metrics }: World,
  journey: Journey,
  version: string,
  { bad, failing = 0, hours = false }: { bad: Outcome; failing?: number; hours?: boolean },
): void {
  const perMinute = hours ? 3_000 : 1_000;
  metrics.spans({ ...journey, version, perMinute, bad, failing, from: hours ? -120 : -20, to: 10 });
}

export const scenario: Scenario = {
  name: 'failure-definitions',
  what: 'statuses of gRPC, errors of GraphQL and a storm of 401 abort; statuses that are the fault of callers do not',
  backends: everyBackend,
  async run(context) {
    const written = (name: string, text: string) => {
      const file = path.join(context.dir, name);
      writeFileSync(file, text);
      return file;
    };
    const world = await startWorld(context, {
      registry: written('cujs.yaml', ofDatadog),
      env: noCache,
      prometheus: { registry: written('prometheus.yaml', ofPrometheus), isClassified: true },
    });
    const stable = { appRequestsPerMinute: 0 };
    // The background analysis stops the bad ones, however busy the machine is.
    const bad = { stable, pause: '5m' };
    const [ledger, search, web, accounts] = await Promise.all([
      world.deploy('ledger', bad),
      world.deploy('search', bad),
      world.deploy('web', bad),
      world.deploy('accounts', { stable }),
    ]);
    flow(world, transfer, ledger.stableHash, { bad: unavailable, hours: true });
    flow(world, find, search.stableHash, { bad: graphqlErrors, hours: true });
    flow(world, login, web.stableHash, { bad: unauthorized, failing: 0.01, hours: true });
    flow(world, profile, web.stableHash, { bad: unauthorized, hours: true });
    flow(world, lookUp, accounts.stableHash, { bad: notFound, hours: true });
    await world.metrics.untilStored();

    await Promise.all([ledger, search, web, accounts].map((release) => release.start('v1.1.0')));
    flow(world, transfer, ledger.canaryHash, { bad: unavailable, failing: 0.2 });
    // An answer of GraphQL has the status 200 whatever its body says.
    flow(world, find, search.canaryHash, { bad: graphqlErrors, failing: 0.2 });
    flow(world, login, web.canaryHash, { bad: unauthorized, failing: 0.4 });
    // Of the same release, where nobody calls a 401 a failure.
    flow(world, profile, web.canaryHash, { bad: unauthorized, failing: 0.4 });
    flow(world, lookUp, accounts.canaryHash, { bad: notFound, failing: 0.3 });

    const aborted = new Map([
      ['transfer', ledger],
      ['find', search],
      ['login', web],
    ]);
    const untilAborted = [...aborted].map(async ([cuj, release]) => {
      assert.match(await release.untilAborted(), new RegExp(`Metric "cuj-${cuj}" assessed Failed`));
      const run = await latestRun(context.kube, release, 'Background');
      assert.equal(run?.status.phase, 'Failed');
      const last = measurementValues(run, `cuj-${cuj}`).at(-1);
      assert.match(last?.value ?? '', new RegExp(`^"FAIL ${cuj} \\(slo_violated\\): `));
    });
    const [passed] = await Promise.all([accounts.untilPromoted(), ...untilAborted]);
    const ofWeb = await latestRun(context.kube, web, 'Background');
    assert.ok(ofWeb);
    const values = measurementValues(ofWeb, 'cuj-profile').map(({ value }) => value);
    assert.notEqual(values.length, 0);
    assert.deepEqual(
      values.filter((value) => value.startsWith('"FAIL')),
      [],
      '401 is a failure at login only',
    );
    for (const { value } of passed.flatMap((run) => measurementValues(run))) {
      assert.match(value, /^"PASS look-up \(within_slo\): 0 of /, 'NOT_FOUND is no fault of the server');
    }
  },
};
