import type { SliKind } from './kind.ts';
import { type SliName, sliKinds, sliNames } from './table.ts';

/** Something of each SLI that is there. */
export type BySli<T> = { readonly [sli in SliName]?: T };

/** Something of every kind of SLI, in the order of the table. */
export function forEverySli<T>(make: (sli: SliName, kind: SliKind) => T): Record<SliName, T> {
  return Object.fromEntries(sliNames.map((sli) => [sli, make(sli, sliKinds[sli])])) as Record<SliName, T>;
}

/** What is there, converted. What is not there stays absent. */
export function mapSlis<From, To>(of: BySli<From>, convert: (part: From, sli: SliName) => To): BySli<To> {
  const converted: { [sli in SliName]?: To } = {};
  for (const sli of sliNames) {
    const part = of[sli];
    if (part !== undefined) converted[sli] = convert(part, sli);
  }
  return converted;
}

/** What is there of all SLIs, one after the other. */
export function allSlis<T>(of: BySli<readonly T[]>): T[] {
  return sliNames.flatMap((sli) => of[sli] ?? []);
}
