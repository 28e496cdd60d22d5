import type { Problem } from '../domain/registry/model.ts';
import { fileProblem } from './files.ts';

/** The text of a file, or the problem with its encoding. Removes a UTF-8 byte order mark. */
export function decodeText(path: string, bytes: Uint8Array): string | Problem {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return fileProblem(path, 'not-utf8', `${path} is UTF-16`, { fix: 'Save it as UTF-8.' });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const { line, column } = firstInvalid(bytes);
    return fileProblem(path, 'not-utf8', `${path} contains bytes that are not UTF-8`, {
      line,
      column,
      fix: 'Save it as UTF-8, or type the character again.',
    });
  }
  const nul = text.indexOf('\0');
  if (nul === -1) return text;
  const before = text.slice(0, nul);
  return fileProblem(path, 'nul-byte', `${path} contains a NUL byte`, {
    line: before.split('\n').length,
    column: nul - before.lastIndexOf('\n'),
    fix: 'Remove it. The file may be truncated or binary.',
  });
}

/** Where the first byte stands that is not UTF-8, 1-based. */
function firstInvalid(bytes: Uint8Array): { readonly line: number; readonly column: number } {
  const strict = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, start);
    const part = bytes.subarray(start, newline === -1 ? bytes.length : newline);
    try {
      strict.decode(part);
    } catch {
      return { line, column: validPrefix(part) + 1 };
    }
    if (newline === -1) break;
    start = newline + 1;
  }
  return { line: 1, column: 1 };
}

/** How many characters of a line come before its first invalid byte. */
function validPrefix(line: Uint8Array): number {
  let low = 0;
  let high = line.length;
  let characters = 0;
  // A decoder in stream mode accepts a character that is merely cut off, so what it accepts is a prefix property.
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    try {
      const decoder = new TextDecoder('utf-8', { fatal: true });
      characters = decoder.decode(line.subarray(0, middle), { stream: true }).length;
      low = middle;
    } catch {
      high = middle - 1;
    }
  }
  return characters;
}
