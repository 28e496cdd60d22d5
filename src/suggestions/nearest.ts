import { distance } from 'fastest-levenshtein';

/** "Did you mean": the same for names of CUJs and services, parameters, commands and keys of the registry. */

/** Longer ones are compared by their beginning. */
const maxLength = 100;
/** How many names are compared edit by edit at most, which takes a thousand times as long as a look at their ends. */
export const maxCompared = 64;

export interface NearestOptions {
  /** How many names are wanted at most. */
  readonly most?: number;
  /** How many edits make a name of this length, or of the wanted one's where that is shorter, another name. */
  readonly maxEdits?: (length: number) => number;
  readonly edits?: (a: string, b: string) => number;
}

/**
 * The known names that were most likely meant, nearest first: within half of the shorter name's length in edits unless
 * told otherwise. The cost is one look at every known name, and `maxCompared` comparisons however many there are: only
 * those that begin and end most like the wanted one are compared.
 */
export function nearestNames(
  wanted: string,
  known: Iterable<string>,
  {
    most = 3,
    maxEdits = (length) => Math.max(2, Math.floor(length / 2)),
    edits = distance,
  }: NearestOptions = {},
): string[] {
  const text = wanted.slice(0, maxLength).toLowerCase();
  return maxAlike(text, known)
    .map((name) => ({
      name,
      edits:
        name.includes(text) && text.length > 2
          ? Math.sign(name.length - text.length)
          : edits(text, name.slice(0, maxLength).toLowerCase()),
    }))
    .filter(({ name, edits }) => edits <= maxEdits(Math.min(text.length, name.length)))
    .sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name);
}

/** At most `maxCompared` names: those that hold the text, then those that share most of their beginning and end with it. */
function maxAlike(text: string, known: Iterable<string>): string[] {
  /** By how much they share. One that is full takes no more. */
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
  const most = Math.min(text.length, name.length);
  let start = 0;
  while (start < most && sameLetter(text.charCodeAt(start), name.charCodeAt(start))) start += 1;
  let end = 0;
  while (
    end < most - start &&
    sameLetter(text.charCodeAt(text.length - 1 - end), name.charCodeAt(name.length - 1 - end))
  ) {
    end += 1;
  }
  return start + end;
}

/** Letter case makes no difference; `a` is of a lower-cased text. */
function sameLetter(a: number, b: number): boolean {
  return a === b || (b >= 65 && b <= 90 && a === b + 32);
}
