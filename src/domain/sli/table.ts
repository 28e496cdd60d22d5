import { availability } from './availability.ts';
import { client } from './client.ts';
import type { SliKind } from './kind.ts';
import { latency } from './latency.ts';

const kinds = { availability, latency, client } satisfies Record<string, SliKind>;

export type SliName = keyof typeof kinds;

/** Every kind of SLI by its name in the registry, in the order in which people are shown them. */
export const sliKinds: Readonly<Record<SliName, SliKind>> = kinds;

export const sliNames = Object.keys(sliKinds) as readonly SliName[];
