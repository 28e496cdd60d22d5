import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');

interface Section {
  readonly level: number;
  readonly code: readonly string[];
  readonly links: readonly string[];
  readonly pictures: readonly string[];
  readonly names: readonly string[];
  readonly paragraphs: number;
  readonly rows: number;
}

/** What both languages have in common, section by section. */
function sectionsOf(file: string): Section[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  const code: string[] = [];
  const prose = text.replace(/^```[\s\S]*?^```$/gm, (block) => `\`\`\`${code.push(block) - 1}`);
  return prose.split(/^(?=#+ )/m).map((section) => ({
    level: /^#+/.exec(section)?.[0].length ?? 0,
    code: [...section.matchAll(/^```(\d+)$/gm)].map(([, at]) => code[Number(at)] as string),
    // A language puts links in its own order, and calls its sections by its own names.
    links: [...section.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, link]) => link as string)
      .map((link) => (link.startsWith('#') ? '#' : link))
      .filter((link) => !/^README(\.ja)?\.md$/.test(link))
      .sort(),
    pictures: [...section.matchAll(/(?:src|srcset)="([^"]+)"/g)].map(([, picture]) => picture as string),
    names: [...section.replace(/^```.*$/gm, '').matchAll(/`[^`]+`/g)]
      .map(([name]) => name.replace(/\s+/g, ' '))
      .sort(),
    paragraphs: section.split(/\n\n+/).filter((part) => part.trim() !== '').length,
    rows: [...section.matchAll(/^\|/gm)].length,
  }));
}

describe('README.ja.md', () => {
  const english = sectionsOf('README.md');
  const japanese = sectionsOf('README.ja.md');

  it('has sections, code and links to compare', () => {
    expect(english.length).toBeGreaterThan(5);
    expect(english.flatMap(({ code }) => code).length).toBeGreaterThan(5);
    expect(english.flatMap(({ links }) => links).length).toBeGreaterThan(50);
  });

  it('has what README.md has: sections, code, links, pictures, names, paragraphs and rows', () => {
    expect(japanese).toEqual(english);
  });

  it('and README.md lead to each other', () => {
    expect(readFileSync(path.join(root, 'README.md'), 'utf8')).toContain('[日本語](README.ja.md)');
    expect(readFileSync(path.join(root, 'README.ja.md'), 'utf8')).toContain('[English](README.md)');
  });
});
