import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Files that our sources find beside themselves, as `new URL('../config/x', import.meta.url)`. In a bundle all sources
 * have one address, so each of these is made relative to the bundle, which expects the file where it lies in the
 * checkout: `config/x`. Their names, relative to `root`, are added to `found`.
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
            if (!existsSync(target)) throw new Error(`${file} names ${relative}, which does not exist.`);
            if (name.startsWith('..') || name.startsWith('src/')) {
              throw new Error(`${file} names ${relative}: a bundle can take along only files outside src.`);
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
