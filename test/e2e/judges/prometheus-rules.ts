import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { removeTemporary, temporaryFolder } from '../mortal.ts';
import { runProgram } from '../run-program.ts';

const testdata = path.join(import.meta.dirname, '../../generate/testdata');

/** Checks the generated rules with promtool: their syntax, and that they fire exactly when they should. */
export async function judgePrometheusRules(): Promise<string> {
  const dir = temporaryFolder();
  try {
    const rules = path.join(dir, 'cuj-gate.rules.yaml');
    const cases = path.join(dir, 'cuj-gate.rules.test.yaml');
    copyFileSync(path.join(testdata, 'example', 'prometheus', 'cuj-gate.rules.yaml'), rules);
    copyFileSync(path.join(testdata, 'cuj-gate.rules.test.yaml'), cases);
    const checked = await runProgram('promtool', ['check', 'rules', '--lint-fatal', rules]);
    const tested = await runProgram('promtool', ['test', 'rules', cases]);
    return checked.stdout + tested.stdout;
  } finally {
    removeTemporary(dir);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(await judgePrometheusRules());
