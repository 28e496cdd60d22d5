/** Finds identifiers and phrases that the glossary replaces. */

interface ReplacedWord {
  readonly pattern: RegExp;
  readonly use: string;
}

export interface Hit {
  readonly line: number;
  readonly phrase: string;
  readonly use: string;
}

/** What separates two words of a phrase: spaces, or a line break with the marks of a comment or a quotation. */
const space = String.raw`(?:[ \t]+|[ \t]*\r?\n[ \t]*(?:(?:\*|\/\/|#|>)[ \t]*)?)`;

/** Reads the list: `pattern => use instead`, one a line; `#` begins a comment. */
export function parseReplacedWords(list: string): readonly ReplacedWord[] {
  return list.split('\n').flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [pattern, use, ...rest] = line.split(' => ');
    if (pattern === undefined || use === undefined || use.trim() === '' || rest.length > 0)
      throw new Error(`line ${index + 1} is not "pattern => use instead": ${line}`);
    return [{ pattern: new RegExp(pattern.replaceAll(' ', space), 'g'), use: use.trim() }];
  });
}

/** Every replaced word of a text, in the order of its lines. */
export function replacedWordsIn(text: string, words: readonly ReplacedWord[]): Hit[] {
  return words
    .flatMap(({ pattern, use }) =>
      [...text.matchAll(pattern)].map((match) => ({
        line: text.slice(0, match.index).split('\n').length,
        phrase: match[0].replace(/\s*\n\s*/g, ' '),
        use,
      })),
    )
    .sort((a, b) => a.line - b.line);
}
