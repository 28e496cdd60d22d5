import { load, type State } from 'js-yaml';
import type { DocumentPath } from '../domain/registry/findings.ts';
import { lastKeyCounts } from './parse.ts';

export interface Position {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units as editors count. */
  readonly column: number;
}

/** A value as it stands in the text. Children of a mapping are key, value, key, value … */
interface Node {
  start: number;
  kind: string | null;
  result: unknown;
  /** Undefined where there are none: most nodes are scalars, and there may be a million. */
  children: Node[] | undefined;
}

/**
 * Where the keys and values of a document stand in its text. For a text that parses; made only when something in it is
 * wrong. js-yaml's parse events serve here, because they cost as much as reading the file again, at any size.
 */
export class Positions {
  readonly #text: string;
  readonly #lineStarts: number[] = [0];
  #root: Node | undefined;

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1))
      this.#lineStarts.push(at + 1);
    const open: Node[] = [];
    const listener = (event: 'open' | 'close', state: State) => {
      if (event === 'open') {
        open.push({ start: state.position, kind: null, result: null, children: undefined });
        return;
      }
      const node = settle(open.pop() as Node, state);
      const parent = open.at(-1);
      if (parent === undefined) this.#root = node;
      else if (parent.children === undefined) parent.children = [node];
      else parent.children.push(node);
    };
    load(text, { ...lastKeyCounts(text), listener: (event, state) => listener(event, state) });
  }

  /** The position of the value at a path, or of the last key. What is not there is where its parent stands. */
  of(path: DocumentPath, at: 'key' | 'value'): Position {
    let node = this.#root;
    let start = this.#startOf(node);
    for (const [index, step] of path.entries()) {
      const entry: Entry | undefined = node && entryOf(node, step);
      if (entry === undefined) break;
      const last = index === path.length - 1;
      node = entry.value;
      start = this.#startOf(last && at === 'key' ? (entry.key ?? entry.value) : entry.value);
    }
    return this.#position(start);
  }

  #startOf(node: Node | undefined): number {
    if (node === undefined) return 0;
    // Nothing was written: point behind the colon, not at the next key.
    if (node.kind === null && node.result === null) return node.start;
    // White space, comments, anchors and tags stand before a value; no value begins with # & or !.
    const blank = /(?:\s+|#[^\n]*|[&!][^\s,[\]{}]*)*/y;
    blank.lastIndex = node.start;
    blank.test(this.#text);
    return blank.lastIndex;
  }

  #position(offset: number): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#lineStarts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] as number) + 1 };
  }
}

interface Entry {
  readonly key: Node | undefined;
  readonly value: Node;
}

function entryOf(node: Node, step: string | number): Entry | undefined {
  if (typeof step === 'number') {
    const value = node.kind === 'sequence' ? node.children?.[step] : undefined;
    return value && { key: undefined, value };
  }
  const { kind, children = [] } = node;
  if (kind !== 'mapping') return undefined;
  // From the end: of a key that stands twice the last one counts.
  for (let i = children.length - 2; i >= 0; i -= 2) {
    const key = children[i] as Node;
    if (String(key.result) === step) return { key, value: children[i + 1] as Node };
  }
  return undefined;
}

/**
 * Completes a node when js-yaml is done with it. js-yaml tries a block mapping first and keeps the attempt's first key
 * as the value when there was no colon: such a node has itself as its only child.
 */
function settle(node: Node, state: State): Node {
  const collection = state.kind === 'mapping' || state.kind === 'sequence';
  const only = node.children?.length === 1 ? node.children[0] : undefined;
  if (only?.kind === state.kind && only.result === state.result) return only;
  node.kind = state.kind;
  node.result = state.result;
  if (!collection) node.children = undefined;
  return node;
}
