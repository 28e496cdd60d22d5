import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PullRequestFinding } from '../../src/pull-request/finding.ts';
import { annotationsOf, maxAnnotations, plainLog } from '../../src/pull-request/workflow-commands.ts';

/** What the runner makes of a line: as its ActionCommand.cs reads commands that begin with `::`, and those after `##[`. */
function commandIn(line: string) {
  const match = /^\s*::([a-z-]+)(?: ([^\r\n]*?))?::([\s\S]*)$/.exec(line);
  if (match === null) return /##\[/.test(line) ? { command: 'of the old form' } : undefined;
  const decoded = (text: string, marks: readonly (readonly [string, string])[]) =>
    marks.reduce((all, [mark, character]) => all.replaceAll(mark, character), text);
  const data = [
    ['%0D', '\r'],
    ['%0A', '\n'],
  ] as const;
  const property = [...data, ['%3A', ':'], ['%2C', ',']] as const;
  const percent = [['%25', '%']] as const;
  const [, command, properties = '', message = ''] = match;
  return {
    command,
    properties: Object.fromEntries(
      properties
        .split(',')
        .filter((part) => part !== '')
        .map((part) => {
          const at = part.indexOf('=');
          return [part.slice(0, at), decoded(part.slice(at + 1), [...property, ...percent])];
        }),
    ),
    message: decoded(message, [...data, ...percent]),
  };
}

const finding: PullRequestFinding = {
  severity: 'error',
  file: 'cujs.yaml',
  line: 3,
  column: 5,
  rule: 'unknown-key',
  message: 'no such key',
  fix: 'Remove it.',
};

describe('annotations', () => {
  it('are at file, line and column, with what to do', () => {
    const { lines } = annotationsOf([{ ...finding, meaning: 'It is ignored.' }]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^::error [^\n]*\n$/);
    expect(commandIn((lines[0] as string).trimEnd())).toEqual({
      command: 'error',
      properties: { file: 'cujs.yaml', line: '3', col: '5', title: 'cuj-gate: unknown-key' },
      message: 'no such key\nIt is ignored.\nFix: Remove it.',
    });
  });

  it.each([
    ['a line break that begins another command', 'x\n::set-output name=errors::0'],
    ['a return', 'x\r::error::y'],
    ['escapes that GitHub would undo', '100%0A::error::y'],
    ['the old form', '##[add-matcher]evil.json'],
  ])('say %s as one message', (_what, message) => {
    const { lines } = annotationsOf([{ ...finding, message }]);
    const line = (lines[0] as string).trimEnd();
    expect(line).not.toMatch(/[\r\n]/);
    expect(commandIn(line)).toMatchObject({ command: 'error', properties: { file: 'cujs.yaml' } });
    expect(commandIn(line)?.message).toBe(`${message.replace(/\s+/, ' ')}\nFix: Remove it.`);
  });

  it('keep a hostile file name in its property', () => {
    const file = 'a,line=1::x%2C\n::stop-commands::y.yaml';
    const { lines } = annotationsOf([{ ...finding, file }]);
    expect(lines.join('').split('\n')).toHaveLength(2);
    const read = commandIn((lines[0] as string).trimEnd());
    expect(read?.properties).toMatchObject({ line: '3', col: '5' });
    expect(read?.properties?.file).toBe('a,line=1::x%2C\\u000a::stop-commands::y.yaml');
  });

  it('are one line each for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, file) => {
        const { lines } = annotationsOf([{ ...finding, message, file }]);
        const line = (lines[0] as string).slice(0, -1);
        expect(line).not.toMatch(/[\r\n]/);
        expect(commandIn(line)).toMatchObject({ command: 'error', properties: { line: '3', col: '5' } });
      }),
    );
  });

  it('are ten of each severity, and the rest is counted', () => {
    const many = Array.from({ length: 13 }, (_, line) => ({ ...finding, line: line + 1 }));
    const { lines, leftOut } = annotationsOf([...many, { ...finding, severity: 'warning' }]);
    expect(lines).toHaveLength(maxAnnotations + 1);
    expect(leftOut).toEqual({ error: 3, warning: 0, notice: 0 });
  });
});

describe('text in the log', () => {
  it('stands between stop-commands and its token, and has no control characters', () => {
    expect(plainLog('a\n::error::b\u001b[2K', 'token-1')).toBe(
      '::stop-commands::token-1\na\n::error::b\\u001b[2K\n::token-1::\n',
    );
  });
});
