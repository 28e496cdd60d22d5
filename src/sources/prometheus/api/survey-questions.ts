import type { Shares } from '../../../domain/ports/backend-facts.ts';
import type { Service } from '../../../domain/registry/model.ts';
import { labelOf } from '../query/label-matchers.ts';
import type { PrometheusConnection } from './connection.ts';
import { readVector } from './matrix-response.ts';

/** Queries as of now, and their number. */
export class Asking {
  readonly connection: PrometheusConnection;
  readonly now: () => number;
  readonly signal = new AbortController().signal;
  calls = 0;

  constructor(connection: PrometheusConnection, now: () => number) {
    this.connection = connection;
    this.now = now;
  }

  async json(query: string): Promise<unknown> {
    this.calls += 1;
    return this.connection.attempt(
      async (inner) => (await this.connection.instant(query, this.now(), inner)).json,
      this.signal,
    );
  }

  async vector(query: string): Promise<ReturnType<typeof readVector>> {
    return readVector(await this.json(query));
  }

  /** Series of a selector. */
  async count(selector: string): Promise<number> {
    return (await this.vector(`count(${selector})`))[0]?.value ?? 0;
  }

  /** Series by the value of a label; by the empty string those without it. */
  async seriesBy(label: string, selector: string): Promise<Shares> {
    const found = await this.vector(`count by (${label}) (${selector})`);
    return byCount(new Map(found.map(({ labels, value }) => [labelOf(labels, label), value])));
  }
}

/** The labels that tell canary and stable of a service. */
export function selectorKeys({ canary, stable }: Service): string[] {
  return [...new Set([...canary.terms, ...(stable?.terms ?? [])].map(({ key }) => key))];
}

/** The greatest first. */
export function byCount(values: ReadonlyMap<string, number>): Shares {
  return new Map([...values].sort(([, a], [, b]) => b - a));
}
