/** One file of a generator's output. */
export interface GeneratedFile {
  /** Relative to the output folder, with `/`. */
  readonly path: string;
  /** Ends in a newline. The same registry and options give the same bytes. */
  readonly text: string;
}

/** The output cannot be generated from the registry and the options. `hint` says what to do. */
export class GenerateError extends Error {
  override readonly name = 'GenerateError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Sorted by code points, independent of the order of the registry and of the locale. */
export function sortedBy<T>(items: Iterable<T>, key: (item: T) => string): T[] {
  return [...items].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
