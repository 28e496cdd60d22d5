import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Metafile } from 'esbuild';

/** A package of which at least one byte is in the bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as the package declares it. */
  readonly licence: string;
  readonly licenceTexts: readonly string[];
  /** `sha512-…`, as package-lock.json has it. */
  readonly integrity: string;
  /** Names and versions of the packages in the bundle that this one imports, as `name@version`. */
  readonly imports: readonly string[];
}

export interface Contents {
  readonly packages: readonly BundledPackage[];
  /** What our own files import, as `name@version`. */
  readonly ownImports: readonly string[];
}

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly author?: string | { readonly name?: string };
}

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
}

/**
 * The packages in a bundle, from esbuild's metafile, sorted by name and version. Throws an Error where the licence of one
 * does not allow redistribution, or its version is not the one in package-lock.json.
 */
export function contentsOf(metafile: Metafile, root: string): Contents {
  const locked = integrities(root);
  const present = new Set(
    Object.values(metafile.outputs).flatMap(({ inputs }) =>
      Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
    ),
  );
  const folders = new Set([...present].map(folderOf).filter((folder) => folder !== undefined));
  const manifests = new Map([...folders].map((folder) => [folder, manifestOf(root, folder)]));
  const idOf = (folder: string) => {
    const { name, version } = manifests.get(folder) as Named;
    return `${name}@${version}`;
  };
  const importsOf = (from: string | undefined): string[] => {
    const targets = new Set<string>();
    for (const file of present) {
      if (folderOf(file) !== from) continue;
      for (const { path: target } of metafile.inputs[file]?.imports ?? []) {
        const folder = folderOf(target);
        if (folder !== undefined && folder !== from && folders.has(folder)) targets.add(idOf(folder));
      }
    }
    return [...targets].sort();
  };
  // One version of a package may lie in several folders.
  const packages = new Map<string, BundledPackage>();
  for (const [folder, { name, version, licence, author }] of manifests) {
    const id = `${name}@${version}`;
    const integrity = locked.get(id);
    if (integrity === undefined) {
      throw new Error(`${folder} holds ${id}, which package-lock.json does not pin: run npm ci.`);
    }
    const imports = [...(packages.get(id)?.imports ?? []), ...importsOf(folder)];
    packages.set(id, {
      name,
      version,
      licence,
      licenceTexts: licenceTexts(path.join(root, folder), id, licence, author),
      integrity,
      imports: [...new Set(imports)].sort(),
    });
  }
  const sorted = [...packages.values()].sort(
    (a, b) => compare(a.name, b.name) || compare(a.version, b.version),
  );
  return { packages: sorted, ownImports: importsOf(undefined) };
}

/** `name@version` → integrity, of all that package-lock.json pins. */
function integrities(root: string): Map<string, string> {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as Lockfile;
  const found = new Map<string, string>();
  for (const [folder, { version, integrity }] of Object.entries(lock.packages)) {
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (version !== undefined && integrity !== undefined) found.set(`${name}@${version}`, integrity);
  }
  return found;
}

/** `node_modules/a/node_modules/@b/c` of a file in it, as package-lock.json names it; undefined for our own files. */
function folderOf(file: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
}

interface Named {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly author: string;
}

function manifestOf(root: string, folder: string): Named {
  const manifest = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as Manifest;
  const { name, version, license, author } = manifest;
  if (name === undefined || version === undefined || typeof license !== 'string') {
    throw new Error(`${folder}/package.json does not say its name, version and licence.`);
  }
  return {
    name,
    version,
    licence: license,
    author: (typeof author === 'string' ? author : author?.name) ?? `the authors of ${name}`,
  };
}

function licenceTexts(folder: string, id: string, licence: string, author: string): string[] {
  const files = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .sort();
  if (files.length > 0) return files.map((file) => readFileSync(path.join(folder, file), 'utf8').trim());
  // The text of MIT is always the same. For other licences the package must include the text.
  if (licence === 'MIT') return [mit(author)];
  throw new Error(
    `${id} is licensed ${licence} and ships no text of it: replace the package, or ask its author.`,
  );
}

const mit = (author: string) => `MIT License

Copyright (c) ${author}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
