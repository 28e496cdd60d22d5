import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { bundleName } from '../../src/bundle/bundle.ts';
import { ProgramFailed, runProgram } from './run-program.ts';

const root = path.join(import.meta.dirname, '../..');

/** The last commit of the day on which 0.1.0 was released (CHANGELOG.md). Nothing of it was ever published. */
const release = { version: '0.1.0', commit: 'd591c020bbf6b3dc70d80808c4944e08116eeb34' };

/** Version 0.1.0, as it stands in the history. */
export interface PreviousVersion {
  readonly version: string;
  /** Its bundle, for `node`. */
  readonly gateProgram: string;
  readonly chart: string;
  /** The values that its own tests gave to its chart: `minimal.values.yaml` and others. */
  readonly chartValues: string;
  /** Its example registry. */
  readonly registry: string;
}

/**
 * Takes version 0.1.0 out of the history and bundles it by its own script. It gets the packages of this checkout: its own
 * took minutes to install, and what is compared here is our code. Throws where the clone has no history.
 */
export async function buildPreviousVersion(folder: string): Promise<PreviousVersion> {
  const { version, commit } = release;
  await runProgram('git', ['-C', root, 'cat-file', '-e', `${commit}^{commit}`]).catch((error: unknown) => {
    if (!(error instanceof ProgramFailed)) throw error;
    throw new Error(
      `this clone has no commit ${commit}, which is version ${version}: get the history with \`git fetch --unshallow\` (in a workflow: fetch-depth: 0 of actions/checkout)`,
    );
  });
  mkdirSync(folder, { recursive: true });
  const archive = path.join(folder, 'source.tar');
  await runProgram('git', ['-C', root, 'archive', '--output', archive, commit]);
  await runProgram('tar', ['-xf', archive, '-C', folder]);
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  await runProgram(process.execPath, ['--import', 'tsx', 'src/bundle/build.ts'], { cwd: folder });
  const gateProgram = path.join(folder, 'dist', bundleName);
  const { stdout } = await runProgram(process.execPath, [gateProgram, '--version'], { cwd: folder });
  assert.equal(stdout.trim(), version);
  return {
    version,
    gateProgram,
    chart: path.join(folder, 'helm', 'cuj-gate'),
    chartValues: path.join(folder, 'test', 'helm', 'testdata'),
    registry: path.join(folder, 'config', 'cujs.yaml'),
  };
}
