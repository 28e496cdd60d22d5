import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';

interface Source {
  readonly file: string;
  readonly lines: LineCounter;
  /** Where aliases find what they stand for; undefined where a document could not be read. */
  readonly document: Document | undefined;
}

/**
 * A place in a YAML document, with its value if there is one. It always has a line, so that a missing value can be
 * reported where it should be.
 */
export class Place {
  readonly #source: Source;
  readonly #node: unknown;
  /** Of the nearest thing that is there. */
  readonly #offset: number;

  constructor(source: Source, node: unknown, offset: number) {
    this.#source = source;
    this.#node = isAlias(node) && source.document !== undefined ? node.resolve(source.document) : node;
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
      for (const merged of this.#merged()) {
        const place = merged.at(step);
        if (place.exists) return place;
      }
    }
    if (isSeq(node) && typeof step === 'number' && node.items[step] !== undefined) {
      const item = node.items[step];
      return new Place(this.#source, item, offsetOf(item) ?? this.#offset);
    }
    return new Place(this.#source, undefined, this.#offset);
  }

  /** What a map takes over by `<<`, which kubectl reads as well. */
  #merged(): Place[] {
    const pair = isMap(this.#node) && this.#node.items.find(({ key }) => isScalar(key) && key.value === '<<');
    if (!pair) return [];
    const place = new Place(this.#source, pair.value, this.#offset);
    return isSeq(place.#node) ? place.items : [place];
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

/** A document that cannot be checked, and what to do about it. */
export interface Unreadable {
  readonly place: Place;
  readonly message: string;
  readonly fix: string;
}

const correct = 'Correct the YAML.';
const render =
  'Use the output of Helm: helm template … | cuj-gate lint rollout -. Otherwise, quote the braces.';

/** The documents of a file, empty ones left out. Those of a Kubernetes List are its items. */
export function placesIn(file: string, text: string): { documents: Place[]; unreadable: Unreadable[] } {
  const lines = new LineCounter();
  const documents: Place[] = [];
  const unreadable: Unreadable[] = [];
  // Argo's own braces stand in quotes; a template's actions (`{{- if …`) begin a line or a value.
  const template = /^[ \t]*(?:[\w./-]+:[ \t]*|-[ \t]+)*\{\{/m.test(text);
  for (const document of parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false })) {
    if (!('contents' in document)) continue;
    const source = { file, lines, document };
    const [error] = document.errors;
    const braces = bracesIn(document);
    if (error !== undefined) {
      const message =
        error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? 'it is not YAML';
      const place = new Place(source, undefined, error.pos[0]);
      unreadable.push({ place, message, fix: template ? render : correct });
    } else if (braces !== undefined) {
      const place = new Place(source, undefined, braces);
      unreadable.push({ place, message: 'to YAML, {{ … }} without quotes is a map', fix: render });
    } else if (document.contents !== null) {
      const place = new Place(source, document.contents, (document.contents as Node).range?.[0] ?? 0);
      documents.push(...(place.at('kind').text === 'List' ? place.at('items').items : [place]));
    }
  }
  return { documents, unreadable };
}

/** Where a map is the key of another, which is what `{{ .Values.x }}` without quotes comes to. */
function bracesIn(document: Document): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Pair: (_, pair) => {
      if (!isMap(pair.key)) return undefined;
      offset = offsetOf(pair.key) ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

function offsetOf(node: unknown): number | undefined {
  if (isPair(node)) return offsetOf(node.key);
  return isNode(node) ? (node.range?.[0] ?? undefined) : undefined;
}
