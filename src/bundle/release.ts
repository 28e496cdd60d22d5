import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { writeArchive } from './archive.ts';
import { writeChartArchive } from './chart-archive.ts';
import { bundleInputs, finalCopies } from './dockerfile.ts';
import { type ImageFiles, imageFiles } from './image-files.ts';
import { baseOf, writeOciLayout } from './oci-layout.ts';

/**
 * `npm run release:dry-run -- --out FOLDER`: writes all that a release publishes into a folder, and publishes nothing.
 * `npm run release:files` writes only the files that the release workflow takes from it.
 */

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

const usage = `npm run release:dry-run -- --out FOLDER
npm run release:files -- --out FOLDER

FOLDER must be empty, or not exist. SOURCE_DATE_EPOCH is the time of all files, in seconds; without it, that of the commit.
Equal sources give equal files.
`;

interface Release {
  readonly out: string;
  readonly version: string;
  readonly revision: string;
  readonly epochSeconds: number;
  /** A folder for drafts. */
  readonly drafts: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, 'files-only': { type: 'boolean', default: false } },
  });
  if (values.out === undefined || values.out === '') throw new Error(`--out is missing.\n${usage}`);
  const out = path.resolve(values.out);
  await mkdir(out, { recursive: true });
  if ((await readdir(out)).length > 0) throw new Error(`${values.out} is not empty: give another folder.`);
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const drafts = await mkdtemp(path.join(os.tmpdir(), 'cuj-gate-release-'));
  try {
    const release: Release = { out, version, drafts, ...(await commit()) };
    const built = await bundled(release);
    await Promise.all([writeNpmPackage(release), writeStandalone(release, built)]);
    if (!values['files-only']) {
      await writeChartArchive(root, path.join(out, `cuj-gate-chart-${version}.tgz`), release);
      await writeImage(release, built);
      await writeFile(path.join(out, 'README.md'), readme(release));
      await writeFile(path.join(out, 'SHA256SUMS'), await checksums(out));
    }
  } finally {
    await rm(drafts, { recursive: true, force: true });
  }
  for (const name of await filesIn(out)) process.stdout.write(`${path.join(values.out, name)}\n`);
}

/** What the files are dated and labelled by. */
async function commit(): Promise<Pick<Release, 'revision' | 'epochSeconds'>> {
  const git = (...args: string[]) =>
    run('git', ['-C', root, ...args]).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
  const given = process.env.SOURCE_DATE_EPOCH ?? (await git('log', '-1', '--format=%ct')) ?? '0';
  if (!/^\d{1,11}$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH is "${given}": give whole seconds.`);
  return { revision: (await git('rev-parse', 'HEAD')) ?? 'unknown', epochSeconds: Number(given) };
}

/** The bundle, made of what the Dockerfile copies and of nothing else: a file that it forgets is missing here as well. */
async function bundled({ drafts }: Release): Promise<ImageFiles> {
  const work = await checkoutOf(path.join(drafts, 'work'), bundleInputs(root));
  return imageFiles(work);
}

/** Some files and folders of the checkout, with its packages. */
async function checkoutOf(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) await cp(path.join(root, name), path.join(folder, name), { recursive: true });
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** Compiled in a folder of its own, so that nothing old in `dist` is published. */
async function writeNpmPackage({ drafts, out }: Release): Promise<void> {
  const sources = [
    'package.json',
    'README.md',
    'LICENSE',
    'config',
    'src',
    'tsconfig.json',
    'tsconfig.build.json',
  ];
  const folder = await checkoutOf(path.join(drafts, 'package'), sources);
  await run(path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: folder });
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', out], { cwd: folder });
}

async function writeAll(folder: string, files: ImageFiles['files']): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
}

async function writeStandalone(
  { drafts, out, version, epochSeconds }: Release,
  { files }: ImageFiles,
): Promise<void> {
  const alone = ['cuj-gate.mjs', 'THIRD-PARTY-LICENSES', 'sbom.cdx.json'];
  await writeAll(out, Object.fromEntries(alone.map((name) => [name, files[name] ?? ''])));
  // With the files that `serve` and `demo` read beside the program.
  const folder = path.join(drafts, 'standalone');
  await writeAll(folder, files);
  await writeArchive(folder, path.join(out, `cuj-gate-standalone-${version}.tar.gz`), epochSeconds);
}

async function writeImage(release: Release, { files }: ImageFiles): Promise<void> {
  const folder = path.join(release.drafts, 'image');
  for (const { from, to } of finalCopies(root)) {
    const wanted = path.posix.relative('/work/dist', from);
    const names = Object.keys(files).filter((name) => name === wanted || name.startsWith(`${wanted}/`));
    if (names.length === 0) throw new Error(`The Dockerfile copies ${from}, which the bundle does not make.`);
    await writeAll(
      path.join(folder, to),
      Object.fromEntries(names.map((name) => [path.posix.relative(wanted, name), files[name] ?? ''])),
    );
  }
  await writeOciLayout(path.join(release.out, 'image'), { ...release, root, files: folder });
}

/** Names relative to the folder, sorted. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

/** For `sha256sum --check`. */
async function checksums(out: string): Promise<string> {
  const lines = (await filesIn(out)).map(async (name) => {
    const hash = createHash('sha256').update(await readFile(path.join(out, name)));
    return `${hash.digest('hex')}  ${name}\n`;
  });
  return (await Promise.all(lines)).join('');
}

function readme({ version, revision, epochSeconds }: Release): string {
  const base = baseOf(root);
  return `# cuj-gate ${version}, a dry run of its release

Of commit ${revision}, dated ${new Date(epochSeconds * 1_000).toISOString()}. Nothing of it was published or signed.

| file | use |
|---|---|
| \`cuj-gate-${version}.tgz\` | \`npm install --global ./cuj-gate-${version}.tgz\` |
| \`cuj-gate.mjs\` | the command as one file: \`node cuj-gate.mjs --help\` |
| \`cuj-gate-standalone-${version}.tar.gz\` | the same with the files that \`serve\` and \`demo\` read beside it |
| \`cuj-gate-chart-${version}.tgz\` | \`helm install cuj-gate ./cuj-gate-chart-${version}.tgz -f values.yaml\`; give \`image.repository\` |
| \`image\` | what the Dockerfile adds to its base, as an OCI image layout |
| \`sbom.cdx.json\` | bill of materials of the single file, CycloneDX |
| \`THIRD-PARTY-LICENSES\` | the licenses of everything in it |
| \`SHA256SUMS\` | \`sha256sum --check SHA256SUMS\` |

**The image has no base.** Its layers belong on top of those of \`${base.name}@${base.digest}\`, which are not in
this folder. \`docker build\` puts them together.
`;
}

main().catch((error: unknown) => {
  const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
  process.stderr.write(`${error instanceof Error ? error.message : error}\n${stdout}${stderr}`);
  process.exitCode = 1;
});
