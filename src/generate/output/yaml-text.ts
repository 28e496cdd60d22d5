import { Document, isCollection, isMap, isNode, isScalar } from 'yaml';
import { oneLine } from '../../domain/outside-text.ts';

/** A comment of several lines before a key or an item of a list. */
export interface YamlNote {
  /** Keys and indexes from the root to the node. */
  readonly at: readonly (string | number)[];
  readonly lines: readonly string[];
}

export interface YamlDocument {
  /** Comment lines at the top; empty lines are kept. */
  readonly head: readonly string[];
  /** Plain data; keys are written in their order. Members that are undefined are left out. */
  readonly value: unknown;
  readonly notes?: readonly YamlNote[];
}

/**
 * Readable YAML: block style, no folding, with comments, and with quotes where YAML 1.1 (which Kubernetes still uses) would
 * read a text as another type.
 */
export function yamlText(documents: readonly YamlDocument[]): string {
  return documents.map(documentText).join('---\n');
}

function documentText({ head, value, notes = [] }: YamlDocument): string {
  const document = new Document(value, {
    compat: 'yaml-1.1',
    keepUndefined: false,
    aliasDuplicateObjects: false,
  });
  document.commentBefore = commentOf(head);
  for (const { at, lines } of notes) note(document, at, lines);
  return document.toString({ lineWidth: 0 });
}

function note(document: Document, at: YamlNote['at'], lines: readonly string[]): void {
  const last = at.at(-1);
  const parent = at.length === 1 ? document.contents : document.getIn(at.slice(0, -1), true);
  const target = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && key.value === last)?.key
    : isCollection(parent)
      ? parent.get(last, true)
      : undefined;
  if (!isNode(target)) throw new TypeError(`no place ${at.join('.')} for a comment`);
  target.commentBefore = commentOf(lines);
}

/** YAML to be a text in another YAML file: without comments, texts of several lines as blocks. */
export function nestedYaml(value: unknown): string {
  return documentText({ head: [], value });
}

/** The library writes `#` before what it is given, and a blank line for an empty one. */
function commentOf(lines: readonly string[]): string {
  return lines.map((line) => ` ${line}`).join('\n');
}

/** Breaks a text into lines of at most some 100 characters, at spaces. */
export function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(' ')) {
    if (line !== '' && line.length + word.length >= 100) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}
