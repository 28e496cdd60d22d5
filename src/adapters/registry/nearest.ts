import { closest, distance } from 'fastest-levenshtein';

/** The known name that was most likely meant; undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  // A thousand suggestions among ten thousand names would take seconds.
  if (known.length === 0 || known.length > 1000) return undefined;
  const short = name.slice(0, 100);
  const candidate = closest(short, [...known]);
  // Two letters swapped are two edits, and should be forgiven in a word of five.
  return distance(short, candidate) <= Math.ceil(candidate.length * 0.4) ? candidate : undefined;
}
