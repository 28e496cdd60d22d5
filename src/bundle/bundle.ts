import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { build, type Metafile } from 'esbuild';
import { assets } from './asset-plugin.ts';
import { type ClientKind, noClient, trimmedClient } from './client-plugin.ts';

export const bundleName = 'cuj-gate.mjs';

export interface BundleOptions {
  /** The checkout: package.json, node_modules and src are in it. */
  readonly root: string;
  /** Absolute; `src/bin.ts` unless told. */
  readonly entry?: string;
  /** `trimmed` unless told. */
  readonly client?: ClientKind;
}

export interface Bundle {
  readonly code: string;
  /** Inputs are named relative to `root`, with forward slashes. */
  readonly metafile: Metafile;
  /** Files that the bundle reads, relative to `root` and to the bundle. */
  readonly assets: readonly string[];
}

/**
 * CommonJS libraries load Node's modules with `require`, and pino uses `__dirname`. ES modules have neither.
 */
const banner = [
  "import { createRequire as bundleRequire } from 'node:module';",
  "import { dirname as bundleDirname } from 'node:path';",
  "import { fileURLToPath as bundlePath } from 'node:url';",
  'const require = bundleRequire(import.meta.url);',
  'const __filename = bundlePath(import.meta.url);',
  'const __dirname = bundleDirname(__filename);',
].join('\n');

/** Bundles cuj-gate into one ES module that needs only Node. Throws esbuild's BuildFailure. */
export async function bundle({
  root,
  entry = path.join(root, 'src', 'bin.ts'),
  client = 'trimmed',
}: BundleOptions): Promise<Bundle> {
  const clientDist = path.join(root, 'node_modules', '@datadog', 'datadog-api-client', 'dist');
  const ownSources = sourcesWithClient(path.join(root, 'src'));
  const plugins = {
    trimmed: () => [trimmedClient(clientDist, ownSources)],
    full: () => [],
    none: () => [noClient(ownSources)],
  };
  const found = new Set<string>();
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: path.join(root, 'dist', bundleName),
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // The minimum of `engines` in package.json.
    target: 'node20.19',
    // Node keeps the text in memory: without blanks the process is some 7% smaller (measured). Names stay as they are
    // and lines short, so that a stack trace still says where it was.
    minifyWhitespace: true,
    lineLimit: 160,
    banner: { js: banner },
    metafile: true,
    // node_modules may be a link to another checkout's; packages are named by where they are imported from.
    preserveSymlinks: true,
    logLevel: 'silent',
    plugins: [assets(root, found), ...plugins[client]()],
  });
  const [file] = outputFiles;
  if (file === undefined || outputFiles.length !== 1) {
    throw new Error(`The bundle should be one file; esbuild made ${outputFiles.length}.`);
  }
  return { code: file.text, metafile, assets: [...found].sort() };
}

/** The source files that use the client: the bundle keeps only what they call. */
function sourcesWithClient(src: string): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !file.startsWith('bundle'))
    .map((file) => readFileSync(path.join(src, file), 'utf8'))
    .filter((text) => text.includes('@datadog/datadog-api-client/'));
}
