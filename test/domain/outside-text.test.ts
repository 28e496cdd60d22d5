import { describe, expect, it } from 'vitest';
import { oneLine, visible, visibleLines, visibleOnTerminal } from '../../src/domain/outside-text.ts';

const code = (text: string) => text.charCodeAt(0).toString(16).padStart(4, '0');
const unseen = [
  ...['\u0000', '\u001b', '\u007f', '\u0080', '\u009b', '\u009f', '\u00ad', '\u061c', '\u180e', '\u200b'],
  ...['\u200d', '\u200e', '\u200f', '\u2028', '\u2029', '\u202a', '\u202e', '\u2060', '\u2066', '\u2069'],
  ...['\ufeff', '\u3164', '\ud800'],
];

describe('text from outside', () => {
  it.each(unseen.map((character) => [code(character), character]))('shows U+%s', (number, character) => {
    const text = `a${character}b`;
    for (const show of [visible, visibleLines, visibleOnTerminal]) expect(show(text)).toBe(`a\\u${number}b`);
    expect(oneLine(text)).toBe('a b');
  });

  it('leaves what people read alone', () => {
    const text = 'ログイン Überweisung שלום 🚀 a\u0301 ⚠\ufe0f "quoted" \\ <b>';
    for (const show of [visible, visibleLines, visibleOnTerminal]) expect(show(text)).toBe(text);
    expect(oneLine(` ${text}  ${text}\n`)).toBe(`${text} ${text}`);
  });

  it('writes a character outside the first plane as JSON does', () => {
    expect(visible('\u{e0041}')).toBe('\\udb40\\udc41');
    expect(JSON.parse(visible(JSON.stringify('x\u{e0041}\u202ey')))).toBe('x\u{e0041}\u202ey');
  });

  it('keeps line breaks only where they are wanted', () => {
    expect(visible('a\n\tb\r')).toBe('a\\u000a\\u0009b\\u000d');
    expect(visibleLines('a\n\tb\r')).toBe('a\n\tb\\u000d');
  });

  it('keeps colours of a terminal and nothing else of its language', () => {
    const painted = '\u001b[1m\u001b[31mfail\u001b[39m\u001b[22m\n';
    expect(visibleOnTerminal(painted)).toBe(painted);
    expect(visibleOnTerminal('\r3 of 5')).toBe('\r3 of 5');
    expect(visibleOnTerminal('x\rok: 0')).toBe('x\\u000dok: 0');
    for (const sequence of ['[8m', '[2J', '[1;31m', ']0;title\u0007', '[38;5;1m', 'c']) {
      expect(visibleOnTerminal(`\u001b${sequence}`)).not.toContain('\u001b');
    }
  });
});
