import type { CujBudget } from '../../domain/ports/error-budget.ts';
import type { ReadVersions } from '../../domain/ports/release-history.ts';
import type { SourceLinks } from '../../domain/ports/source-links.ts';
import type { Cuj } from '../../domain/registry/model.ts';

/** What pages need from outside, besides what every answer needs. What is absent is shown as unknown. */
export interface PagePorts {
  /** Before every path of a link, without a trailing slash: empty, or `/cuj-gate`. */
  readonly basePath: string;
  /** Where people reach the gate, without a trailing slash and with the base path. */
  readonly publicUrl?: string;
  readonly links: SourceLinks;
  /** Error budgets as of a time, epoch ms. Throws SourceError. */
  readonly readBudgets?: (
    cujs: readonly Cuj[],
    untilMs: number,
    signal: AbortSignal,
  ) => Promise<readonly CujBudget[]>;
  readonly readVersions?: ReadVersions;
  /** Requests of a CUJ's endpoints in a span of whole hours, epoch ms, by {@link endpointKey}. Throws SourceError. */
  readonly readTraffic?: (
    cuj: Cuj,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, number>>;
}

/** Names an endpoint of any service. */
export function endpointKey(service: string, resource: string): string {
  return `${service} ${resource}`;
}

export const noPagePorts: PagePorts = { basePath: '', links: () => [] };
