import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = path.join(import.meta.dirname, '../../docs/pictures');

describe.each(['overview', 'architecture'])('docs/pictures/%s.svg', (name) => {
  const light = readFileSync(path.join(folder, `${name}.svg`), 'utf8');
  const dark = readFileSync(path.join(folder, `${name}-dark.svg`), 'utf8');

  it('is the same for dark pages, in other colours', () => {
    const withoutColours = (svg: string) => svg.replace(/#[0-9a-f]{6}/g, '#');
    expect(withoutColours(dark)).toBe(withoutColours(light));
    expect(dark).not.toBe(light);
  });

  it('says what it shows to those who do not see it', () => {
    expect(light).toMatch(
      /aria-labelledby="title desc"[\s\S]*<title id="title">.+<\/title>\s*<desc id="desc">.+<\/desc>/,
    );
  });
});
