import { nearestNames } from '../../../suggestions/nearest.ts';

/** The label that a label which no series has was most likely meant to be; undefined where none is near. */
export function nearestLabel(wanted: string, names: readonly string[]): string | undefined {
  return nearestNames(
    wanted,
    names.filter((name) => name !== wanted),
    { max: 1 },
  )[0];
}

/** All names, those that were most likely meant first, the others in order. */
export function nearestFirst(wanted: string, names: readonly string[]): string[] {
  const near = nearestNames(wanted, names, { max: 5 });
  return [...near, ...names.filter((name) => !near.includes(name)).sort()];
}
