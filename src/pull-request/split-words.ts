/**
 * Splits a line of arguments as a shell does: by blanks, with 'single' and "double" quotes, in which nothing is special. Nothing
 * is expanded. Returns what is wrong with the line where a quote is not closed.
 */
export function splitWords(line: string): readonly string[] | string {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (const character of line) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== undefined) return `the quote ${quote} is not closed`;
  if (word !== undefined) words.push(word);
  return words;
}
