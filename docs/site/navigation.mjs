import { readFileSync } from 'node:fs';
import path from 'node:path';
import { address, repositoryRoot } from './pages.mjs';

/** @param {string} file */
const textOf = (file) => readFileSync(path.join(repositoryRoot, file), 'utf8');

/**
 * A page as an entry: its title is the first heading.
 * @param {string} file
 */
const entry = (file) => ({
  text: (/^# (.*)$/m.exec(textOf(file))?.[1] ?? file).replaceAll('`', ''),
  link: `/${address(file).replace(/(index)?\.md$/, '')}`,
});

/** The sidebar: the tables of the README's list of pages, in their order. */
export function navigation() {
  const [, list = ''] = /^## Documentation$([\s\S]*?)^## /m.exec(textOf('README.md')) ?? [];
  const groups = list.split(/^\| (?=\w+ing the gate )/m).slice(1);
  return [
    { text: 'Start', items: [{ ...entry('README.md'), text: 'What it is' }, entry('GLOSSARY.md')] },
    ...groups.map((table) => ({
      text: capital(table.slice(0, table.indexOf(' |'))),
      items: [...table.matchAll(/\]\(([^)#]+\.md)\)/g)].map(([, file]) =>
        entry(/** @type {string} */ (file)),
      ),
    })),
  ];
}

/** @param {string} text */
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
