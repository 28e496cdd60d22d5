import { type Reply, respond } from '../datadog/loopback.ts';
import { matrixOf, type StoredSeries } from './traffic.ts';

/**
 * A reply with the series that a query selects by the name of the metric, by the value of `job`, and by `le`. It knows of nothing that
 * is down, and `les` are all boundaries.
 */
export function replyBySelector(
  stored: readonly StoredSeries[],
  les: readonly string[] = [],
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return (response, request) => {
    const form = new URLSearchParams(request.body);
    const query = form.get('query') ?? '';
    const atMs = Number(form.get('time')) * 1000;
    const [, length, unit] = /\[(\d+)(m?s)\]$/.exec(query) ?? [];
    const seconds = Number(length) / (unit === 'ms' ? 1000 : 1);
    const chosen = /,le=~"([^"]*)"/.exec(query)?.[1]?.replaceAll('\\\\', '\\');
    const job = /job="([^"]*)"/.exec(query)?.[1];
    const named = stored.filter(
      ({ metric }) =>
        query.startsWith(`${metric.__name__}{`) &&
        (job === undefined || metric.job === job) &&
        (chosen === undefined || new RegExp(`^(?:${chosen})$`).test(metric.le ?? '')),
    );
    const vector = les.map((le) => ({ metric: { le }, value: [atMs / 1000, '1'] }));
    const body = /^(count|up)/.test(query)
      ? { status: 'success', data: { resultType: 'vector', result: vector } }
      : matrixOf(named, atMs - seconds * 1000, atMs);
    respond(200, body, headers)(response, request);
  };
}
