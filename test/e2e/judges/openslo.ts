import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { removeTemporary, temporaryFolder } from '../mortal.ts';
import { runProgram } from '../run-program.ts';

const module = path.join(import.meta.dirname, '../go/oslo');
const example = path.join(import.meta.dirname, '../../generate/testdata/example/openslo');

/** OpenSLO's own validator on the generated OpenSLO. With Go's build cache, every build after the first takes seconds. */
export async function judgeOpenSlo(folder = example): Promise<string> {
  const dir = temporaryFolder();
  try {
    const oslo = path.join(dir, 'oslo');
    const build = ['build', '-C', module, '-trimpath', '-o', oslo, 'github.com/OpenSLO/oslo/cmd/oslo'];
    await runProgram('go', build, { env: { ...process.env, GOTMPDIR: dir } });
    return (await runProgram(oslo, ['validate', '-R', '-f', folder])).stdout;
  } finally {
    removeTemporary(dir);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  console.log(await judgeOpenSlo(process.argv[2]));
