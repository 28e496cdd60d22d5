import { describe, expect, it } from 'vitest';
import { redactor, withoutKeys } from '../../src/domain/redact.ts';

describe('redactor', () => {
  const secret = 'p"a/ss\\wörd 1';
  it.each([
    ['as it is', secret],
    ['in upper case', secret.toUpperCase()],
    ['in a URL', encodeURIComponent(secret)],
    ['in JSON', JSON.stringify(secret).slice(1, -1)],
    ['in JSON of PHP', JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/')],
  ])('hides a secret %s', (_, text) => {
    expect(redactor([secret, undefined, ''])(`before ${text}, ${text} after`)).toBe(
      'before [redacted], [redacted] after',
    );
  });

  it('leaves nothing of a secret that begins like another', () => {
    expect(redactor(['abcd', 'abcdefgh'])('abcdefgh')).toBe('[redacted]');
  });
});

it('withoutKeys hides what looks like a key, and no digest', () => {
  const key = 'f0'.repeat(16);
  expect(withoutKeys(`${key} ${'A1'.repeat(20)} ddapp_x1 sha256:${'ab'.repeat(32)}`)).toBe(
    `[redacted] [redacted] [redacted] sha256:${'ab'.repeat(32)}`,
  );
});
