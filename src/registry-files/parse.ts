import { CORE_SCHEMA, load, Type, YAMLException } from 'js-yaml';
import { type DocumentPath, pathText } from '../domain/registry/findings.ts';
import { type ParserError, syntaxWords } from './syntax-words.ts';

/** A syntax error of YAML or JSON; positions are 1-based. */
export interface SyntaxProblem {
  readonly line: number;
  readonly column: number;
  readonly rule: string;
  /** Only for duplicate keys. */
  readonly path?: string;
  readonly value?: string;
  readonly message: string;
  readonly fix: string;
}

export type Parsed =
  /** `problems` are duplicate keys. The last one is used, so that the rest can be checked. */
  | { readonly ok: true; readonly value: unknown; readonly problems: readonly SyntaxProblem[] }
  | { readonly ok: false; readonly problems: readonly SyntaxProblem[] };

/** Only JSON's types and merge keys (`<<`): no dates, no binary, no code. */
const schema = CORE_SCHEMA.extend({
  implicit: [new Type('tag:yaml.org,2002:merge', { kind: 'scalar', resolve: (text) => text === '<<' })],
});

/** The registry nests some six levels; js-yaml counts up to two for each. */
const maxDepth = 64;
/** `yaml` needs up to 0.9 s and 170 MB for this size. Of larger texts only what js-yaml knows of the first error is told. */
const maxRecoveryChars = 128 * 1024;
const maxDuplicateKeys = 100;
/** Entries of one mapping or list, apart from the registry's own long ones. */
const maxEntries = 10_000;
const maxLongEntries = 50_000;
/** Values of a document in total; 5 MiB of CUJs have half of that. */
const maxValues = 1_000_000;
const longLists: ReadonlySet<string> = new Set(['cujs', 'services', 'sources']);

export type YamlOptions = NonNullable<Parameters<typeof load>[1]>;

/** The options for all texts of a registry, including JSON. */
export function yamlOptions(text: string): YamlOptions {
  // The last two are js-yaml's own bounds since 4.2. What merges copy is bounded by the size of the text.
  return { schema, maxDepth, maxTotalMergeKeys: Math.max(10_000, text.length) } as YamlOptions;
}

/** The same for a text whose duplicate keys are already reported. */
export function lastKeyCounts(text: string): YamlOptions {
  return { ...yamlOptions(text), json: true };
}

/** Reads one YAML or JSON document in time and memory bounded by the text's size. Duplicate keys are problems. */
export async function parseText(text: string): Promise<Parsed> {
  let value: unknown;
  let problems: readonly SyntaxProblem[] = [];
  try {
    value = load(text, yamlOptions(text));
  } catch (error) {
    problems = await syntaxProblems(text, error);
    if (problems.some(({ rule }) => rule !== 'duplicate-key')) return { ok: false, problems };
    try {
      value = load(text, lastKeyCounts(text));
    } catch {
      return { ok: false, problems };
    }
  }
  if (value === undefined || value === null) {
    return oneProblem({
      line: 1,
      column: 1,
      rule: 'empty-document',
      message: 'the document is empty',
      fix: 'Start with apiVersion: cuj-gate/v1, services and cujs; cuj-gate init proposes a first registry.',
    });
  }
  const excess = excessOf(value, text);
  return excess === undefined ? { ok: true, value, problems } : oneProblem(excess);
}

function oneProblem(problem: SyntaxProblem): Parsed {
  return { ok: false, problems: [problem] };
}

/**
 * All duplicate keys, where the text is short enough for the slow parser that recovers from each. Of a text that is not YAML, the
 * first problem alone: others are caused by it.
 */
async function syntaxProblems(text: string, error: unknown): Promise<readonly SyntaxProblem[]> {
  const first = firstProblem(text, error);
  if (first.rule === 'too-deep' || text.length > maxRecoveryChars) return [first];
  const { LineCounter, parseDocument, visit } = await import('yaml');
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      version: '1.2',
      merge: true,
    });
    const errors = document.errors.slice(0, maxDuplicateKeys);
    if (errors.length === 0) return [first];
    const fault = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY');
    if (fault !== undefined) {
      const { code, message, pos } = fault;
      if (!/^Missing closing .quote/.test(message))
        return [faultOf(text, { code, message }, lines.linePos(pos[0]), error)];
      // It takes all that follows: the last text in quotes is the open one.
      let [open] = pos as readonly [number, number];
      visit(document, {
        Scalar(_, { type, range }) {
          if (type?.startsWith('QUOTE')) open = range?.[0] ?? open;
        },
      });
      return [faultOf(text, { code: 'OPEN_QUOTE', message }, lines.linePos(open), error)];
    }
    const paths = new Map<number, DocumentPath>();
    visit(document, {
      Pair(_, pair, ancestors) {
        const start = (pair.key as Ranged | null)?.range?.[0];
        if (start !== undefined) paths.set(start, pathOf([...ancestors, pair]));
      },
    });
    return errors.map(({ pos }) => {
      const { line, col } = lines.linePos(pos[0]);
      const path = paths.get(pos[0]);
      const told = path && { path: pathText(path), value: String(path.at(-1)) };
      return { line: Math.max(line, 1), column: Math.max(col, 1), ...told, ...known.duplicateKey };
    });
  } catch {
    return [first];
  }
}

interface Ranged {
  readonly range?: readonly number[] | null;
}

/** The keys and indexes on the way from a document to the last of these nodes. */
function pathOf(nodes: readonly unknown[]): DocumentPath {
  const path: (string | number)[] = [];
  nodes.forEach((node, i) => {
    const { key, items } = node as { key?: { value?: unknown }; items?: unknown[] };
    if (key !== undefined && key !== null) path.push(String(key.value));
    const at = items?.indexOf(nodes[i + 1]) ?? -1;
    if (at >= 0 && !isPair(nodes[i + 1])) path.push(at);
  });
  return path;
}

function isPair(node: unknown): boolean {
  return typeof node === 'object' && node !== null && 'key' in node;
}

/** What js-yaml stopped at. */
function firstProblem(text: string, error: unknown): SyntaxProblem {
  // Not an error of the parser, most likely a stack overflow.
  if (!(error instanceof YAMLException)) return { line: 1, column: 1, ...known.tooDeep };
  const stopped = stoppedAt(error);
  const { line, column, reason } = stopped;
  const told = reason.startsWith('nesting exceeded')
    ? known.tooDeep
    : reason === duplicated
      ? known.duplicateKey
      : reason.startsWith('expected a single document')
        ? known.severalDocuments
        : undefined;
  return told === undefined ? { rule: 'syntax', ...syntaxWords(text, stopped) } : { line, column, ...told };
}

/** The first error of `yaml` other than a duplicate key. */
function faultOf(
  text: string,
  { code, message }: { readonly code: string; readonly message: string },
  place: { readonly line: number; readonly col: number },
  error: unknown,
): SyntaxProblem {
  const [line, column] = [Math.max(place.line, 1), Math.max(place.col, 1)];
  if (code === 'MULTIPLE_DOCS') return { line, column, ...known.severalDocuments };
  const kind = { line, column, code, reason: message };
  const stopped = stoppedAt(error as YAMLException);
  return { rule: 'syntax', ...syntaxWords(text, stopped.reason === duplicated ? kind : stopped, kind) };
}

const duplicated = 'duplicated mapping key';

function stoppedAt(error: YAMLException): ParserError {
  const { mark, reason } = error as YAMLException & { mark?: { line: number; column: number } };
  return { line: (mark?.line ?? 0) + 1, column: (mark?.column ?? 0) + 1, reason };
}

/** What is told of problems that both parsers know. */
const known = {
  tooDeep: {
    rule: 'too-deep',
    message: 'the document is nested too deeply',
    fix: 'Compare with the example: CUJs contain endpoints, and endpoints contain values.',
  },
  duplicateKey: {
    rule: 'duplicate-key',
    message: 'the mapping has this key twice',
    fix: 'Remove one of them.',
  },
  severalDocuments: {
    rule: 'several-documents',
    message: 'the file contains several YAML documents',
    fix: 'Remove the --- line, or put each document into its own file in one folder.',
  },
} as const;

/**
 * The number of values after aliases are expanded. Without aliases, a text cannot have more values than characters, so a
 * greater number is an explosion (or a cycle).
 */
function excessOf(root: unknown, text: string): SyntaxProblem | undefined {
  let left = Math.min(Math.max(maxEntries, text.length), maxValues);
  let excess: SyntaxProblem | undefined;
  const visit = (value: object, depth: number, long: boolean): boolean => {
    const keys = Array.isArray(value) ? undefined : Object.keys(value);
    const items: readonly unknown[] = keys === undefined ? (value as unknown[]) : Object.values(value);
    left -= items.length;
    if (left < 0 || depth > maxDepth) {
      excess = text.includes('*') ? aliasBomb(text) : tooManyEntries(maxValues);
      return false;
    }
    if (items.length > (long ? maxLongEntries : maxEntries)) {
      excess = tooManyEntries(items.length);
      return false;
    }
    for (const [i, item] of items.entries()) {
      if (typeof item !== 'object' || item === null) continue;
      if (!visit(item, depth + 1, depth === 0 && longLists.has(keys?.[i] ?? ''))) return false;
    }
    return true;
  };
  if (typeof root === 'object' && root !== null) visit(root, 0, false);
  return excess;
}

function aliasBomb(text: string): SyntaxProblem {
  const at = Math.max(text.search(/(?<=[\s,[{])\*[^\s,\]}]/), 0);
  const before = text.slice(0, at);
  return {
    line: before.split('\n').length,
    column: at - before.lastIndexOf('\n'),
    rule: 'alias-bomb',
    message: 'the aliases of this document expand to too many values',
    fix: 'Write the values without aliases, or put shared values under defaults.',
  };
}

function tooManyEntries(count: number): SyntaxProblem {
  return {
    line: 1,
    column: 1,
    rule: 'too-many-entries',
    message: `the document, or one mapping or list of it, has ${count} entries or more`,
    fix: 'Compare with the example: only cujs and services may be that long.',
  };
}
