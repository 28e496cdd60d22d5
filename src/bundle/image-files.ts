import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { bundle, bundleName } from './bundle.ts';
import { licencesText } from './licences.ts';
import { type BundledPackage, contentsOf } from './packages.ts';
import { sbomText } from './sbom.ts';

/** The files that `npm run bundle` writes for the image: names relative to its folder, and texts. */
export interface ImageFiles {
  readonly files: Readonly<Record<string, string>>;
  readonly packages: readonly BundledPackage[];
}

/** Bundles the checkout at `root`. Throws where a part cannot be bundled, or not be redistributed. */
export async function imageFiles(root: string): Promise<ImageFiles> {
  const { name, version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
  };
  const { code, metafile, assets } = await bundle({ root });
  const contents = contentsOf(metafile, root);
  const files: Record<string, string> = {
    [bundleName]: code,
    LICENSE: await readFile(path.join(root, 'LICENSE'), 'utf8'),
    'THIRD-PARTY-LICENSES': licencesText(contents.packages),
    'sbom.cdx.json': sbomText({ name, version }, contents),
  };
  for (const asset of assets) files[asset] = await readFile(path.join(root, asset), 'utf8');
  return { files, packages: contents.packages };
}
