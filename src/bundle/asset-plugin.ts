import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Handles files that sources reference as `new URL('../config/x', import.meta.url)`. In a bundle all sources have the same
 * URL, so each reference is made relative to the bundle, with the path in the checkout: `config/x`. The names, relative to
 * `root`, are added to `found`.
 */
export function assets(root: string, found: Set<string>): Plugin {
  const src = path.join(root, 'src') + path.sep;
  return {
    name: 'assets',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
        if (!file.startsWith(src)) return undefined;
        const text = await readFile(file, 'utf8');
        const contents = text.replace(
          /new URL\(\s*'(\.{1,2}\/[^']+)',\s*import\.meta\.url\s*\)/g,
          (_, relative: string) => {
            const target = path.resolve(path.dirname(file), relative);
            const name = path.relative(root, target).split(path.sep).join('/');
            if (!existsSync(target)) throw new Error(`${file} references ${relative}, which does not exist.`);
            if (name.startsWith('..') || name.startsWith('src/')) {
              throw new Error(`${file} references ${relative}: a bundle can only include files outside src.`);
            }
            found.add(name);
            return `new URL('./${name}', import.meta.url)`;
          },
        );
        return { contents, loader: 'ts' };
      });
    },
  };
}
