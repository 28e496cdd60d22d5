/**
 * Text from outside (paths, parameters, tokens, registries, answers of backends) on its way to people: log, error answers,
 * summaries, terminals. Invisible characters in it must not control a terminal or reverse a line.
 */

/**
 * Controls (C0, DEL and C1), format characters (bidirectional controls, zero-width, tags), line and paragraph
 * separators, halves of a character, and letters that are drawn as nothing.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;
/** Nearly every text is plain ASCII, and this check is much faster than Unicode's classes. */
const notPlain = /[^ -~]/;
const notPlainLines = /[^ -~\n]/;

/** The text with invisible characters written as `\uXXXX`, line breaks and tabs included. */
export function visible(text: string): string {
  return notPlain.test(text) ? text.replace(unseen, escaped) : text;
}

/**
 * The same with line breaks and tabs left alone: for a text of several lines, and for JSON, which stays the same value
 * because a line break in it stands between its members.
 */
export function visibleLines(text: string): string {
  return notPlainLines.test(text)
    ? text.replace(unseen, (character) => (isBreak(character) ? character : escaped(character)))
    : text;
}

/** For a terminal: colours are left alone as well, and a return that begins a line of progress. */
export function visibleOnTerminal(text: string): string {
  if (!notPlainLines.test(text)) return text;
  return text.replace(unseen, (character, at: number) =>
    isBreak(character) ||
    (character === '\r' && at === 0) ||
    (character === escapeCode && colour.test(text.slice(at + 1, at + 5)))
      ? character
      : escaped(character),
  );
}

/** One line, in which runs of spaces and invisible characters are one space. */
export function oneLine(text: string): string {
  return notPlain.test(text) || text.includes('  ')
    ? text.replace(/[\p{C}\p{Z}\s\u115f\u1160\u3164\uffa0]+/gu, ' ').trim()
    : text.trim();
}

const escapeCode = '\u001b';
/** What commands paint with (src/commands/render/colors.ts). None of it hides what comes after. */
const colour = /^\[(?:[0-3]|2[23]|3\d|9\d)m/;

function isBreak(character: string): boolean {
  return character === '\n' || character === '\t';
}

/** As JSON writes it: a character outside the first plane is two units. */
function escaped(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i += 1) {
    text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return text;
}
