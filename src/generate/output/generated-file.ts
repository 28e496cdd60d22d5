/** One file of a generator's output. */
export interface GeneratedFile {
  /** Relative to the output folder, with `/`. */
  readonly path: string;
  /** Ends in a newline. The same registry and options give the same bytes. */
  readonly text: string;
}

/** The registry and the options cannot be made into what was asked for. `hint` says what to do. */
export class GenerateError extends Error {
  override readonly name = 'GenerateError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Sorted by code points, so that neither the order of the registry nor a locale moves anything. */
export function sortedBy<T>(items: Iterable<T>, key: (item: T) => string): T[] {
  return [...items].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
