/**
 * A plain analysis for comparison: the error rate of all canary traffic, which aborts above 0.05%. The queries are those
 * for Argo's own Datadog provider.
 */

export interface TotalErrorRate {
  readonly requests: number;
  readonly failed: number;
  readonly ratio: number;
  readonly fine: boolean;
}

export const totalErrorRateLimit = 0.0005;

const operations = ['http.request', 'express.request', 'servlet.request'];

async function sum(
  datadogUrl: string,
  query: string,
  fromMs: number,
  toMs: number,
  keys: { readonly apiKey: string; readonly appKey: string },
): Promise<number> {
  const search = new URLSearchParams({ query, from: String(fromMs / 1000), to: String(toMs / 1000) });
  const response = await fetch(`${datadogUrl}/api/v1/query?${search}`, {
    headers: { 'DD-API-KEY': keys.apiKey, 'DD-APPLICATION-KEY': keys.appKey },
  });
  if (!response.ok)
    throw new Error(`the Datadog simulator responded with ${response.status}: ${await response.text()}`);
  const { series } = (await response.json()) as { series: { pointlist: [number, number | null][] }[] };
  return series.flatMap(({ pointlist }) => pointlist).reduce((total, [, value]) => total + (value ?? 0), 0);
}

/** Queries the canary's total error rate between two times (epoch ms, whole minutes). */
export async function totalErrorRate(
  datadogUrl: string,
  version: string,
  fromMs: number,
  toMs: number,
  keys: { readonly apiKey: string; readonly appKey: string },
): Promise<TotalErrorRate> {
  const count = async (status: string) => {
    const counts = await Promise.all(
      operations.map((operation) =>
        sum(
          datadogUrl,
          `sum:trace.${operation}.hits{env:production,version:${version}${status}}.as_count()`,
          fromMs,
          toMs,
          keys,
        ),
      ),
    );
    return counts.reduce((total, one) => total + one, 0);
  };
  const [requests, failed] = await Promise.all([count(''), count(',http.status_code:5*')]);
  return errorRateOf(requests, failed);
}

export function errorRateOf(requests: number, failed: number): TotalErrorRate {
  const ratio = requests > 0 ? failed / requests : 0;
  return { requests, failed, ratio, fine: ratio <= totalErrorRateLimit };
}
