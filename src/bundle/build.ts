import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle, bundleName } from './bundle.ts';
import { licencesText } from './licences.ts';
import { contentsOf } from './packages.ts';
import { sbomText } from './sbom.ts';

/**
 * `npm run bundle`: the one file that the image runs, the licences of what is in it, and its bill of materials. It
 * lives under src because it must know how the source calls the Datadog client; nothing else in src imports it, and it
 * is no part of the npm package.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = path.join(root, 'dist');

const { name, version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
  name: string;
  version: string;
};
const { code, metafile, assets } = await bundle({ root });
const contents = contentsOf(metafile, root);
const files: Record<string, string> = {
  [bundleName]: code,
  'THIRD-PARTY-LICENSES': licencesText(contents.packages),
  'sbom.cdx.json': sbomText({ name, version }, contents),
};
for (const asset of assets) files[asset] = await readFile(path.join(root, asset), 'utf8');

for (const [file, text] of Object.entries(files)) {
  const target = path.join(dist, file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
  console.error(`${path.relative(root, target)}  ${(text.length / 1024).toFixed(0)} KiB`);
}
console.error(`${contents.packages.length} packages are in the bundle`);
