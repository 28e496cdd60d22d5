import { joined } from '../domain/name-lists.ts';

/** What is wrong with a text that is not YAML, in words of its lines in place of those of a parser. */

/** Where a parser stopped, and why in its words. */
export interface ParserError {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  readonly reason: string;
  /** Of `yaml`, which names the kinds of errors. `OPEN_QUOTE`: our own name of a quote that is open at the end. */
  readonly code?: string | undefined;
}

export interface SyntaxWords {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly fix: string;
}

/**
 * Words for the first error of a text. The parsers see different things: js-yaml (`stopped`) stops at the line that is indented
 * wrongly, and `yaml` (`kind`; undefined for long texts) knows what it read before.
 */
export function syntaxWords(text: string, stopped: ParserError, kind?: ParserError): SyntaxWords {
  const lines = text.split(/\r?\n/);
  const inFlow = /flow collection/.test(stopped.reason);
  const words =
    tabWords(stopped, kind) ??
    (inFlow ? flowWords(stopped) : undefined) ??
    keyWords(lines, kind) ??
    indentationWords(lines, stopped.line) ??
    valueWords(kind ?? stopped);
  if (words !== undefined) return { ...words, message: `this is not YAML: ${words.message}` };
  const { line, column, reason } = kind ?? stopped;
  return {
    line,
    column,
    message: `this is not YAML: ${reason.split('\n')[0]}`,
    fix: 'Check indentation, quotes and brackets in this line and the one before.',
  };
}

function tabWords(stopped: ParserError, kind: ParserError | undefined): SyntaxWords | undefined {
  if (kind?.code !== 'TAB_AS_INDENT' && !/^tab characters/.test(stopped.reason)) return undefined;
  const { line, column } = kind ?? stopped;
  return { line, column, message: 'a tab stands in the indentation', fix: 'Indent with spaces.' };
}

function flowWords({ line, column }: ParserError): SyntaxWords {
  return {
    line,
    column,
    message: 'a comma, or the } or ] of what begins above, is missing before this',
    fix: 'Add it.',
  };
}

/** Of a line without a key, of which `yaml` expects one. */
function keyWords(lines: readonly string[], kind: ParserError | undefined): SyntaxWords | undefined {
  if (kind?.code !== 'MULTILINE_IMPLICIT_KEY') return undefined;
  const { line, column } = kind;
  const written = lines[line - 1]?.slice(column - 1).trim() ?? '';
  if (/:(\s|$)/.test(written)) return undefined;
  return {
    line,
    column,
    message: 'the line is neither "key: value" nor an entry of a list',
    fix: written.includes(':')
      ? 'Write a space after the colon.'
      : 'Write a colon and a space after the key, or "- " before an entry of a list.',
  };
}

/** Of a line that begins at a column where nothing above it begins. */
function indentationWords(lines: readonly string[], line: number): SyntaxWords | undefined {
  const own = lines[line - 1] ?? '';
  const [column] = columnsOf(own);
  if (column === undefined) return undefined;
  const open = openColumns(lines, line - 1);
  const [nearest] = open;
  if (nearest === undefined || (column > nearest.column && isOpenKey(nearest.written))) return undefined;
  const beside = open.find((one) => one.column === column);
  const at = { line, column };
  if (beside === undefined) {
    const hyphen = /^\s*-[^\s-]/.test(lines[nearest.line - 1] ?? '');
    const columns = [...new Set(open.map((one) => one.column))];
    return {
      ...at,
      message: `the line begins at column ${column}, and the lines that it may belong to begin at column ${joined(columns.map(String), 'or')}`,
      fix: hyphen
        ? `Write a space after the hyphen in line ${nearest.line}.`
        : `Begin it at column ${joined(columns.map(String), 'or')}, beside what it belongs to.`,
    };
  }
  const isEntry = own.trimStart().startsWith('-');
  if (isEntry === beside.isEntry || (isEntry && isOpenKey(beside.written))) return undefined;
  return {
    ...at,
    message: isEntry
      ? `an entry of a list stands at column ${column}, where keys stand above it`
      : `a key stands at column ${column}, where entries of a list stand above it`,
    fix: isEntry
      ? 'Indent it below the key of its list, or remove the hyphen.'
      : 'Begin it where its entry has its keys, or where the key of the list begins.',
  };
}

function valueWords({ line, column, code, reason }: ParserError): SyntaxWords | undefined {
  const told: Readonly<Record<string, readonly [message: string, fix: string]>> = {
    BLOCK_AS_IMPLICIT_KEY: [
      'the value contains a colon and a space, as if it were a key',
      'Put the value in quotes.',
    ],
    BAD_SCALAR_START: [`a text without quotes cannot begin with ${reason.at(-1)}`, 'Put it in quotes.'],
    BAD_ALIAS: ['a text without quotes cannot begin with *', 'Put it in quotes, as in endpoints: "*".'],
    OPEN_QUOTE: ['the quote that begins here is not closed', 'Close it where the text ends.'],
    UNEXPECTED_TOKEN: ['the value has ended before this', 'Put the whole value in quotes.'],
  };
  const [message, fix] =
    told[code ?? ''] ??
    (/quoted scalar/.test(reason) ? ['a text in quotes is not closed', 'Close it where it ends.'] : []);
  return message === undefined || fix === undefined ? undefined : { line, column, message, fix };
}

interface OpenColumn {
  readonly line: number;
  readonly column: number;
  /** From that column on. */
  readonly written: string;
  /** Whether an entry of a list begins there, and not a key. */
  readonly isEntry: boolean;
}

/** Where the mappings and lists begin that are not over before a line, from the nearest outwards. */
function openColumns(lines: readonly string[], before: number): OpenColumn[] {
  let open: OpenColumn[] = [];
  let limit = Number.POSITIVE_INFINITY;
  for (let index = before - 1; index >= 0 && limit > 1; index -= 1) {
    const text = lines[index] as string;
    const columns = columnsOf(text);
    const [first] = columns;
    if (first === undefined || first >= limit) continue;
    // The lines below it are its text.
    if (/[|>][+-]?\d?\s*$/.test(text)) open = [];
    for (const column of columns.reverse()) {
      const written = text.slice(column - 1);
      const isEntry = /^-(\s|$)/.test(written);
      if (column < limit && (isEntry || /:(\s|$)/.test(written)))
        open.push({ line: index + 1, column, written, isEntry });
    }
    limit = first;
  }
  return open;
}

/** Where a line begins, and where the keys of its entries of lists begin; none of an empty line or a comment. */
function columnsOf(line: string): number[] {
  const columns: number[] = [];
  const [, indentation = '', rest = ''] = /^( *)((?:- +)*)(?=[^\s#])/.exec(line) ?? [];
  if (!/^ *[^\s#]/.test(line)) return columns;
  columns.push(indentation.length + 1);
  for (const [hyphen] of rest.matchAll(/- +/g)) columns.push((columns.at(-1) as number) + hyphen.length);
  return columns;
}

/** `endpoints:`, whose value is in the lines below it. */
function isOpenKey(written: string): boolean {
  const words = written.trim().split(/\s+/);
  const comment = words.findIndex((word) => word.startsWith('#'));
  const code = comment === -1 ? words : words.slice(0, comment);
  // Anchors and tags stand between a key and its value.
  const last = code.findLast((word) => !/^[&!]/.test(word)) ?? '';
  return last.endsWith(':') || (last === '-' && code.length === 1);
}
