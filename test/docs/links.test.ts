import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const inDocs = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .map((name) => `docs/${name.split(path.sep).join('/')}`)
  .filter((name) => name.endsWith('.md') && !name.includes('/node_modules/'));
const atRoot = readdirSync(root).filter((name) => name.endsWith('.md'));
const pages = [...atRoot, ...inDocs, 'helm/cuj-gate/README.md'];

const textOf = (page: string) => readFileSync(path.join(root, page), 'utf8');
const withoutCode = (text: string) => text.replace(/^ *```[\s\S]*?^ *```$/gm, '');

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return words.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

function anchorsOf(page: string): string[] {
  return [...withoutCode(textOf(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    anchorOf(heading as string),
  );
}

const linksOf = (page: string) =>
  [...withoutCode(textOf(page)).matchAll(/\]\((?!https?:|mailto:)([^)\s]*)\)/g)].map(
    ([, link]) => link as string,
  );

describe('the documentation', () => {
  it.each(pages)('has no link that leads nowhere in %s', (page) => {
    for (const link of linksOf(page)) {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
      expect(existsSync(path.join(root, target)), link).toBe(true);
      if (anchor !== undefined && target.endsWith('.md')) expect(anchorsOf(target), link).toContain(anchor);
    }
  });

  it('is named, page by page, in the README', () => {
    const named = new Set(linksOf('README.md'));
    const missing = inDocs.filter((page) => !page.startsWith('docs/adr/')).filter((page) => !named.has(page));
    expect(missing).toEqual([]);
    expect(named).toContain('docs/adr/README.md');
    expect(named).toContain('GLOSSARY.md');
  });
});
