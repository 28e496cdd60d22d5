import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseReplacedWords, replacedWordsIn } from './replaced-words.ts';

/**
 * Part of `npm run lint`: reports replaced words in the files and folders that are given. Exit codes: 0 none, 1 found, 2 no
 * file to check.
 */

/** What git ignores below `docs`: what the site is built with, and the site. */
const ignored = /(^|\/)(node_modules|dist)\//;

/** The old names themselves, which `cuj-gate migrate` looks for. */
const ofOldNames = path.join('src', 'migrate', 'renamed-names.ts');

const texts = /\.(ts|tsx|js|css|html|md|txt|ya?ml|json|tpl|cue|svg)$/;

async function filesOf(root: string): Promise<string[]> {
  if (!(await stat(root)).isDirectory()) return [root];
  const names = await readdir(root, { recursive: true });
  return names.filter((name) => texts.test(name) && !ignored.test(name)).map((name) => path.join(root, name));
}

const words = parseReplacedWords(await readFile(new URL('replaced-words.txt', import.meta.url), 'utf8'));
const files = (await Promise.all(process.argv.slice(2).map(filesOf)))
  .flat()
  .filter((file) => path.normalize(file) !== ofOldNames)
  .sort();
let found = 0;
for (const file of files) {
  for (const { line, phrase, use } of replacedWordsIn(await readFile(file, 'utf8'), words)) {
    process.stdout.write(`${file}:${line}: "${phrase}": use instead: ${use}\n`);
    found += 1;
  }
}
if (files.length === 0) {
  process.stderr.write('check-words: no file to check. Give files or folders.\n');
  process.exitCode = 2;
} else if (found > 0) {
  process.stdout.write(
    `${found} replaced words in ${files.length} files; see GLOSSARY.md and CONTRIBUTING.md\n`,
  );
  process.exitCode = 1;
}
