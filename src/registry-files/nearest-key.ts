import { nearestNames } from '../suggestions/nearest.ts';

/** The known name that was most likely meant; undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  // A thousand suggestions among ten thousand names would take seconds.
  if (known.length > 1000) return undefined;
  // Two letters swapped are two edits, and should be forgiven in a word of five.
  return nearestNames(name, known, { max: 1, maxEdits: (length) => Math.ceil(length * 0.4) })[0];
}
