import { parse } from 'yaml';
import { remoteWrite } from '../../../src/demo/prometheus/remote-write.ts';

export interface ReplayOptions {
  /** Epoch ms of the first evaluation, and of the last. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  /** Called after each rule: makes what it has recorded visible to queries. */
  readonly flush?: () => Promise<void>;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly warnings?: readonly string[];
  readonly data?: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values: readonly (readonly [seconds: number, value: string])[];
    }[];
  };
}

interface Rule {
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Evaluates the recording rules of a file over the past and writes what they record into the same backend. Rules run one after the
 * other over the whole time, because a rule reads the records of those before it. Throws where the backend refuses a query or
 * warns.
 */
export async function replayRules(url: string, rules: string, options: ReplayOptions): Promise<void> {
  const { fromMs, toMs, stepMs, flush } = options;
  const { groups } = parse(rules) as { groups: readonly { rules: readonly Rule[] }[] };
  for (const { record, expr, labels } of groups.flatMap(({ rules }) => rules)) {
    if (record === undefined) continue;
    const query = { query: expr, start: fromMs / 1000, end: toMs / 1000, step: stepMs / 1000 };
    const body = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
    const response = await fetch(`${url}/api/v1/query_range`, { method: 'POST', body });
    const answer = (await response.json()) as Answer;
    if (answer.data === undefined || (answer.warnings ?? []).length > 0)
      throw new Error(`${record}: ${answer.error ?? answer.warnings?.join(', ')}`);
    const series = answer.data.result.map(({ metric, values }) => ({
      metric: { ...metric, ...labels, __name__: record },
      samples: values.map(([seconds, value]) => [seconds * 1000, Number(value)] as const),
    }));
    if (series.length === 0) continue;
    await remoteWrite(url, series);
    await flush?.();
  }
}
