import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { imageFiles } from './image-files.ts';

/**
 * `npm run bundle`: builds the single file that the image runs, with its licences and its bill of materials. It is under
 * src because it depends on how the source calls the Datadog client. Nothing else in src imports it, and it is not part of
 * the npm package.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const { files, packages } = await imageFiles(root);
for (const [file, text] of Object.entries(files)) {
  const target = path.join(root, 'dist', file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
  console.error(`${path.relative(root, target)}  ${(Buffer.byteLength(text) / 1024).toFixed(0)} KiB`);
}
console.error(`${packages.length} packages are in the bundle`);
