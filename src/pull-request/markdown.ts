import { oneLine, visibleLines } from '../domain/outside-text.ts';

/**
 * Text of others in Markdown of GitHub. In code, GitHub makes no mention, link, reference to an issue, picture or HTML of it;
 * a backslash before `@` would not prevent a mention, because mentions are made from the finished HTML. So text of others is
 * always in code.
 */

const maxSpan = 300;

/** A text in one line as a span of code. */
export function code(text: string): string {
  const line = oneLine(text);
  const characters = [...line];
  const short = characters.length > maxSpan ? `${characters.slice(0, maxSpan - 1).join('')}…` : line;
  if (short === '') return '` `';
  const fence = '`'.repeat(longestRun(short) + 1);
  // One space inside each fence is removed again, and keeps backticks of the text away from it.
  return /^[` ]|[` ]$/.test(short) ? `${fence} ${short} ${fence}` : `${fence}${short}${fence}`;
}

/** A text of several lines as a block of code. `language` is ours. */
export function codeBlock(text: string, language: 'text' | 'diff' = 'text'): string {
  const body = visibleLines(text).trimEnd();
  const fence = '`'.repeat(Math.max(3, longestRun(body) + 1));
  return `${fence}${language}\n${body}\n${fence}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

/** Hidden until a reader opens it. The summary is ours, or made by {@link code}. */
export function details(summary: string, content: string): string {
  return `<details><summary>${summary}</summary>\n\n${content}\n\n</details>`;
}
