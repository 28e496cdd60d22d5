import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A file that pages load. Its name holds a hash of its content, so that browsers may keep it for ever. */
export interface Asset {
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

function asset(name: string, extension: string, type: string, file: URL): Asset {
  const text = readFileSync(file, 'utf8');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { path: `/assets/${name}.${hash}.${extension}`, type, text };
}

export const stylesheet = asset(
  'page',
  'css',
  'text/css; charset=utf-8',
  new URL('../../../config/pages/page.css', import.meta.url),
);

export const script = asset(
  'page',
  'js',
  'text/javascript; charset=utf-8',
  new URL('../../../config/pages/page.js', import.meta.url),
);

export const icon = asset(
  'icon',
  'svg',
  'image/svg+xml',
  new URL('../../../config/pages/icon.svg', import.meta.url),
);

export const assets: readonly Asset[] = [stylesheet, script, icon];
