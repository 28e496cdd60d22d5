import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';

interface Source {
  readonly file: string;
  readonly lines: LineCounter;
}

/**
 * A place in a YAML document: its value where it has one, and a line in any case, so that what is missing can be reported
 * where it should have been.
 */
export class Place {
  readonly #source: Source;
  readonly #node: unknown;
  /** Of the nearest thing that is there. */
  readonly #offset: number;

  constructor(source: Source, node: unknown, offset: number) {
    this.#source = source;
    this.#node = node;
    this.#offset = offset;
  }

  get file(): string {
    return this.#source.file;
  }

  get line(): number {
    return this.#source.lines.linePos(this.#offset).line;
  }

  get column(): number {
    return this.#source.lines.linePos(this.#offset).col;
  }

  get exists(): boolean {
    return this.#node !== undefined && !(isScalar(this.#node) && this.#node.value === null);
  }

  /** A member by keys and indexes; one that is missing still has a place. */
  at(...path: readonly (string | number)[]): Place {
    let place: Place = this;
    for (const step of path) place = place.#step(step);
    return place;
  }

  #step(step: string | number): Place {
    const node = this.#node;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? key.value : key) === step);
      if (pair !== undefined) {
        const offset = offsetOf(pair.key) ?? this.#offset;
        return new Place(this.#source, pair.value, offset);
      }
    }
    if (isSeq(node) && typeof step === 'number' && node.items[step] !== undefined) {
      const item = node.items[step];
      return new Place(this.#source, item, offsetOf(item) ?? this.#offset);
    }
    return new Place(this.#source, undefined, this.#offset);
  }

  /** The items of a list; none of anything else. */
  get items(): Place[] {
    return isSeq(this.#node) ? this.#node.items.map((_, i) => this.at(i)) : [];
  }

  get keys(): string[] {
    return isMap(this.#node)
      ? this.#node.items.map(({ key }) => String(isScalar(key) ? key.value : key))
      : [];
  }

  /** A scalar as text: numbers and booleans too, as they stand in the file. */
  get text(): string | undefined {
    const node = this.#node;
    if (!isScalar(node) || node.value === null) return undefined;
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  /** A whole number, also where it is written as text, which Argo takes too. */
  get number(): number | undefined {
    const text = this.text;
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
  }
}

/** A syntax error of a file. */
export interface Unreadable {
  readonly place: Place;
  readonly message: string;
}

/** The documents of a file, empty ones left out. */
export function placesIn(file: string, text: string): { documents: Place[]; unreadable: Unreadable[] } {
  const lines = new LineCounter();
  const source = { file, lines };
  const documents: Place[] = [];
  const unreadable: Unreadable[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false })) {
    if (!('contents' in document)) continue;
    const [error] = document.errors;
    if (error !== undefined) {
      const message =
        error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? 'it is not YAML';
      unreadable.push({ place: new Place(source, undefined, error.pos[0]), message });
    } else if (document.contents !== null) {
      documents.push(new Place(source, document.contents, (document.contents as Node).range?.[0] ?? 0));
    }
  }
  return { documents, unreadable };
}

function offsetOf(node: unknown): number | undefined {
  if (isPair(node)) return offsetOf(node.key);
  return isNode(node) ? node.range?.[0] : undefined;
}
