// Which files of the repository are pages, and where they are on the site.
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

export const repositoryRoot = path.join(import.meta.dirname, '..', '..');

// OWNER stands for the owner of the repository, as everywhere in it.
export const repositoryUrl = `https://github.com/${process.env.GITHUB_REPOSITORY ?? 'OWNER/cuj-gate'}`;

const atRoot = ['README.md', 'README.ja.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'GLOSSARY.md'];

/** The files that are pages, relative to the repository, with `/`. */
export const pages = [
  ...atRoot,
  'helm/cuj-gate/README.md',
  ...readdirSync(path.join(repositoryRoot, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((name) => `docs/${name.split(path.sep).join('/')}`)
    .filter((name) => name.endsWith('.md') && !name.startsWith('docs/site/')),
].sort();

/** Where the generator need not look for pages. */
export const foldersWithoutPages = [
  'docs/site',
  ...readdirSync(repositoryRoot, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !['docs', 'helm'].includes(entry.name))
    .map((entry) => entry.name),
];

const known = new Set(pages);

/** @param {string} file */
export const isPage = (file) => known.has(file);

/**
 * The file that a page is built as: the index of its folder for a README.
 * @param {string} file
 */
export const address = (file) => file.replace(/(^|\/)README\.md$/, '$1index.md');

/**
 * The page that a link means: itself, or the README of a folder. Undefined where it is none.
 * @param {string} file
 */
export function pageOf(file) {
  if (isPage(file)) return file;
  const readme = path.posix.join(file, 'README.md');
  return isPage(readme) ? readme : undefined;
}

/**
 * Where the repository shows a file or a folder that is no page. Throws an Error where there is none.
 * @param {string} file
 */
export function repositoryAddress(file) {
  const full = path.join(repositoryRoot, file);
  if (!existsSync(full)) throw new Error(`${file} does not exist: correct the link to it.`);
  return `${repositoryUrl}/${statSync(full).isDirectory() ? 'tree' : 'blob'}/main/${file}`;
}
