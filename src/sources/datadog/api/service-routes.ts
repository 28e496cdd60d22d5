import { hourMs } from '../../../domain/duration.ts';
import type { OperationFacts, Shares } from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { traceCountTexts, traceWhereText } from '../query/query-text.ts';
import { activeMetrics, groupTotals, sharesBy } from './metadata-api.ts';

const dayMs = 24 * hourMs;
/** Operations of one question; more than a handful of frameworks in one organisation is rare. */
const maxOperations = 40;

export interface ServiceRoutes {
  /** The operations under which the service has hits, most likely the serving one first. */
  readonly operations: readonly OperationFacts[];
  /** Hits by version under the first of them. */
  readonly versions: Shares;
  /** Where this one has no hits: the services that have some in this env, busiest first, and its own in other envs. */
  readonly elsewhere: { readonly services: readonly string[]; readonly envs: readonly string[] };
}

/**
 * The traffic of one service over the last day, by operation and resource: three calls, whatever the operation.
 * Throws SourceError; TypeError where the names may not enter a query.
 */
export async function findServiceRoutes(
  api: JsonApi,
  service: string,
  env: string,
  nowMs: number,
  wantedOperation?: string,
): Promise<ServiceRoutes> {
  const toMs = Math.floor(nowMs / hourMs) * hourMs;
  const fromMs = toMs - dayMs;
  const known =
    wantedOperation === undefined
      ? [...(await activeMetrics(api, fromMs))].flatMap(
          (metric) => /^trace\.(.+)\.hits$/.exec(metric)?.[1] ?? [],
        )
      : [wantedOperation];
  const candidates = known.filter((operation) => /^[A-Za-z][\w.]*$/.test(operation)).slice(0, maxOperations);
  const scope = { env, services: [service] };
  const totals = await groupTotals(
    api,
    candidates.map((operation, i) => ({
      name: `q${i}`,
      query: traceCountTexts(operation, { ...scope, by: ['resource_name'] }).total,
    })),
    fromMs,
    toMs,
  );
  const operations = candidates
    .map((operation, i) => ({ operation, routes: sharesBy(totals.get(`q${i}`), 'resource_name') }))
    .filter(({ routes }) => routes.size > 0)
    .sort((a, b) => likelihood(b) - likelihood(a));
  const first = operations[0];
  if (first === undefined) {
    const where = await groupTotals(
      api,
      candidates.map((operation, i) => ({ name: `q${i}`, query: traceWhereText(operation) })),
      fromMs,
      toMs,
    );
    const groups = [...where.values()].flat();
    const elsewhere = {
      services: [...sharesBy(groups, 'service', { env }).keys()],
      envs: [...sharesBy(groups, 'env', { service }).keys()],
    };
    return { operations, versions: new Map(), elsewhere };
  }
  const query = traceCountTexts(first.operation, { ...scope, by: ['version'] }).total;
  const versions = await groupTotals(api, [{ name: 'versions', query }], fromMs, toMs);
  return {
    operations,
    versions: sharesBy(versions.get('versions'), 'version'),
    elsewhere: { services: [], envs: [] },
  };
}

/** Hits on what looks like routes. Under http.request Node counts its outgoing requests, so any other goes before. */
function likelihood({ operation, routes }: OperationFacts): number {
  const hits = [...routes].reduce(
    (sum, [name, count]) => sum + (/^[a-z]+_\//.test(name) ? count : count / 1000),
    0,
  );
  return operation === 'http.request' ? hits / 1000 : hits;
}
