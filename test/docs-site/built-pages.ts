import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Attributes by which a browser loads something without being asked. `href` counts except for those of links that people follow. */
const loads = /<(?:script|img|source|iframe|video|audio|embed|object|link)\b[^>]*>/g;

/**
 * What is wrong with the HTML and CSS of a built site, one sentence each: links to pages or headings that do not exist, links that
 * leave out `base`, and whatever would be loaded from another host.
 */
export function checkBuiltPages(dist: string, base: string): string[] {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).map((name) =>
    name.split(path.sep).join('/'),
  );
  const pages = new Map(
    files
      .filter((name) => name.endsWith('.html'))
      .map((name) => [name, readFileSync(path.join(dist, name), 'utf8')]),
  );
  const ids = new Map([...pages].map(([name, html]) => [name, idsOf(html)]));
  const failures: string[] = [];
  if (pages.size < 40) failures.push(`only ${pages.size} pages were built`);
  for (const [name, html] of pages) {
    for (const [tag] of html.matchAll(loads)) {
      for (const [, address = ''] of tag.matchAll(/\b(?:src|href|srcset|poster|data)="([^"]*)"/g))
        if (/^(?:https?:)?\/\//.test(address)) failures.push(`${name} loads ${address}`);
    }
    if (name === '404.html') continue;
    // A page whose rendering failed is built nonetheless, and ends early.
    if (!/<h1\b/.test(html) || !html.includes('VPDocFooter')) failures.push(`${name} is not whole`);
    for (const address of addressesOf(html)) {
      const problem = problemOf(address, name, { dist, base, ids });
      if (problem !== undefined) failures.push(`${name}: ${address} ${problem}`);
    }
  }
  for (const name of files.filter((one) => one.endsWith('.css'))) {
    for (const [, address] of readFileSync(path.join(dist, name), 'utf8').matchAll(
      /url\(["']?((?:https?:)?\/\/[^)"']+)/g,
    ))
      failures.push(`${name} loads ${address}`);
  }
  return failures;
}

const unescaped = (text: string) => text.replaceAll('&amp;', '&').replaceAll('&#x26;', '&');
const idsOf = (html: string) =>
  new Set([...html.matchAll(/\sid="([^"]*)"/g)].map(([, id = '']) => unescaped(id)));
const addressesOf = (html: string) =>
  new Set(
    [...html.matchAll(/\s(?:href|src|srcset)="([^"]*)"/g)]
      .map(([, address = '']) => unescaped(address))
      .filter((address) => !/^(?:https?:|mailto:|data:)/.test(address)),
  );

interface Site {
  readonly dist: string;
  readonly base: string;
  readonly ids: ReadonlyMap<string, ReadonlySet<string>>;
}

function problemOf(address: string, from: string, { dist, base, ids }: Site): string | undefined {
  const { pathname, hash } = new URL(address, `http://site${base}${from}`);
  if (!pathname.startsWith(base)) return `is not below ${base}`;
  const below = decodeURI(pathname.slice(base.length));
  const file = below === '' || below.endsWith('/') ? `${below}index.html` : below;
  if (!existsSync(path.join(dist, file))) return 'leads to no file';
  const anchor = decodeURIComponent(hash.slice(1));
  if (anchor !== '' && ids.get(file)?.has(anchor) !== true) return 'leads to no heading';
  return undefined;
}
