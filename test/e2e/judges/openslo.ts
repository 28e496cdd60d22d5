import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { runProgram } from './run-program.ts';

const module = path.join(import.meta.dirname, '..', 'go', 'oslo');
const example = path.join(import.meta.dirname, '..', '..', 'generate', 'testdata', 'example', 'openslo');

/** OpenSLO's own validator on the generated OpenSLO. Go's build cache makes every build but the first a matter of seconds. */
export async function judgeOpenSlo(folder = example): Promise<string> {
  const dir = mkdtempSync(path.join(tmpdir(), 'cuj-gate-oslo-'));
  try {
    const oslo = path.join(dir, 'oslo');
    await runProgram('go', [
      'build',
      '-C',
      module,
      '-trimpath',
      '-o',
      oslo,
      'github.com/OpenSLO/oslo/cmd/oslo',
    ]);
    return await runProgram(oslo, ['validate', '-R', '-f', folder]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  console.log(await judgeOpenSlo(process.argv[2]));
