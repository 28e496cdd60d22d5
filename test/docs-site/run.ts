/**
 * npm run test:docs [-- --base PATH] [--pictures FOLDER]: builds the documentation's site and checks what was built. Every link inside of it
 * leads to a page and to a heading that exist, and nothing is loaded from elsewhere. In Chromium, search finds names and Japanese words
 * without a network, and pages fit into 320 px and pass axe, light and dark. `--pictures` keeps pictures to look at. Exit codes: 0 all
 * passed, 1 not.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startBrowser } from '../browser/chromium.ts';
import { checkBuiltPages } from './built-pages.ts';
import { checkInBrowser } from './in-browser.ts';
import { serveFolder } from './serve-folder.ts';

const { values: args } = parseArgs({
  // As on GitHub Pages, where a link that forgets the base is broken.
  options: { base: { type: 'string', default: '/cuj-gate/' }, pictures: { type: 'string' } },
});
const root = path.join(import.meta.dirname, '../..');
const dist = path.join(root, 'docs', 'site', 'dist');

const build = spawnSync('npm', ['run', '--silent', 'docs'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, DOCS_BASE: args.base },
});
if (build.status !== 0) process.exit(1);

const failures = checkBuiltPages(dist, args.base);
if (args.pictures !== undefined) mkdirSync(args.pictures, { recursive: true });
const site = await serveFolder(dist, args.base);
const browser = await startBrowser();
try {
  failures.push(...(await checkInBrowser(browser, site.url, args.pictures)));
} finally {
  await browser.close();
  await site.close();
}
for (const failure of failures) console.log(`FAIL ${failure}`);
console.log(failures.length === 0 ? 'the site passed' : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
