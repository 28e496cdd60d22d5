import { distance } from 'fastest-levenshtein';

/** "Did you mean" for names of CUJs and services, parameters, commands and keys of the registry. */

/** Longer names are compared by their beginning. */
const maxLength = 100;
/** The most names that are compared by edit distance, which takes a thousand times as long as comparing their ends. */
export const maxCompared = 64;

export interface NearestOptions {
  /** The most names to return. */
  readonly max?: number;
  /** The number of edits from which on a name of this length counts as another name. */
  readonly maxEdits?: (length: number) => number;
  readonly edits?: (a: string, b: string) => number;
}

/**
 * The known names that were most likely meant, nearest first. By default a name is near if its edit distance is at most
 * half the shorter name's length. Only the `maxCompared` names with the most similar beginning and end are compared.
 */
export function nearestNames(
  wanted: string,
  known: Iterable<string>,
  {
    max = 3,
    maxEdits = (length) => Math.max(2, Math.floor(length / 2)),
    edits = editDistance,
  }: NearestOptions = {},
): string[] {
  const text = wanted.slice(0, maxLength).toLowerCase();
  const editsTo = (name: string) => {
    const lowered = name.toLowerCase();
    return lowered.includes(text) && text.length > 2
      ? Math.sign(name.length - text.length)
      : edits(text, lowered.slice(0, maxLength));
  };
  return nearestBy(maxAlike(text, known), {
    differenceOf: editsTo,
    maxDifference: (name) => maxEdits(Math.min(text.length, name.length)),
    compareTied: (a, b) => (a < b ? -1 : 1),
    max,
  });
}

/** The number of letters to insert, delete or replace (Levenshtein). Takes as long as the product of both lengths. */
export function editDistance(a: string, b: string): number {
  return distance(a, b);
}

/**
 * The `max` candidates that differ least, nearest first. Those that differ by more than `maxDifference` are none. Without
 * `compareTied`, equally near ones keep their order.
 */
export function nearestBy<T>(
  candidates: readonly T[],
  {
    differenceOf,
    maxDifference,
    compareTied = () => 0,
    max,
  }: {
    readonly differenceOf: (candidate: T) => number;
    readonly maxDifference: (candidate: T) => number;
    readonly compareTied?: (a: T, b: T) => number;
    readonly max: number;
  },
): T[] {
  return candidates
    .map((candidate) => ({ candidate, difference: differenceOf(candidate) }))
    .filter(({ candidate, difference }) => difference <= maxDifference(candidate))
    .sort((a, b) => a.difference - b.difference || compareTied(a.candidate, b.candidate))
    .slice(0, max)
    .map(({ candidate }) => candidate);
}

/** At most `maxCompared` names: those that contain the text, then those with the most similar beginning and end. */
function maxAlike(text: string, known: Iterable<string>): string[] {
  /** Names by the number of shared characters. A full list takes no more. */
  const shelves: (string[] | undefined)[] = [];
  for (const name of known) {
    const shared = name.includes(text) ? maxLength : sharedEnds(text, name);
    const shelf = shelves[shared];
    if (shelf === undefined) shelves[shared] = [name];
    else if (shelf.length < maxCompared) shelf.push(name);
  }
  const names: string[] = [];
  for (let shared = shelves.length - 1; shared >= 0 && names.length < maxCompared; shared -= 1) {
    names.push(...(shelves[shared] ?? []).slice(0, maxCompared - names.length));
  }
  return names;
}

function sharedEnds(text: string, name: string): number {
  const max = Math.min(text.length, name.length);
  let start = 0;
  while (start < max && sameLetter(text.charCodeAt(start), name.charCodeAt(start))) start += 1;
  let end = 0;
  while (
    end < max - start &&
    sameLetter(text.charCodeAt(text.length - 1 - end), name.charCodeAt(name.length - 1 - end))
  ) {
    end += 1;
  }
  return start + end;
}

/** Ignores letter case; `a` is already lower-case. */
function sameLetter(a: number, b: number): boolean {
  return a === b || (b >= 65 && b <= 90 && a === b + 32);
}
