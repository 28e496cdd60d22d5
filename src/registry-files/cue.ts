import { execFile } from 'node:child_process';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { oneLine } from '../domain/outside-text.ts';
import type { Problem } from '../domain/registry/model.ts';
import { fileProblem, maxFileBytes } from './files.ts';

const exec = promisify(execFile);
const timeoutMs = 20_000;

/**
 * What `cue export` makes of a file, as JSON bytes. `cue` is looked up in PATH and runs in the file's folder, because
 * it looks for the module that imports come from above the folder that it runs in.
 */
export async function exportCue(
  path: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Buffer | Problem> {
  try {
    // With ./ a name that begins with a hyphen is a file's, not an option's.
    const { stdout } = await exec('cue', ['export', '--out', 'json', `./${basename(path)}`], {
      cwd: dirname(path),
      encoding: 'buffer',
      env,
      maxBuffer: maxFileBytes,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    return stdout;
  } catch (error) {
    return explain(path, error as ExecFailure);
  }
}

interface ExecFailure {
  readonly code?: string | number;
  readonly killed?: boolean;
  readonly stderr?: Buffer;
  readonly message: string;
}

function explain(path: string, { code, killed, stderr, message }: ExecFailure): Problem {
  if (code === 'ENOENT') {
    return fileProblem(path, 'no-cue', `${path} is CUE, but there is no cue in PATH to export it`, {
      fix: 'Install cue (https://cuelang.org), or run cue export elsewhere and use its JSON.',
    });
  }
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return fileProblem(path, 'file-too-large', `${path} exports more than 5 MiB`, {
      fix: 'Split it: a folder of JSON files is one registry.',
    });
  }
  if (killed === true) {
    return fileProblem(path, 'cue-timeout', `cue export ${path} took more than ${timeoutMs / 1000} s`, {
      fix: 'Run cue export yourself to see what takes so long.',
    });
  }
  if (typeof code !== 'number') {
    // Descriptors, processes or memory are exhausted: this is not a problem of the file.
    return fileProblem(
      path,
      'cue-not-run',
      `cue export ${path} did not run to its end: ${code ?? 'it was killed'}`,
      {
        fix: 'Run cue export yourself; see whether memory, processes or open files are at their limit.',
      },
    );
  }
  const said = oneLine((stderr?.toString('utf8') || message).slice(0, 2000));
  return fileProblem(path, 'cue-failed', `cue export ${path} failed: ${said}`, {
    fix: 'Run cue vet on it and correct what it says.',
    ...cuePosition(said, basename(path)),
  });
}

/** cue names places as `./file.cue:3:5`, of the schema as well; only the file's own are worth anything here. */
function cuePosition(text: string, name: string): { readonly line?: number; readonly column?: number } {
  for (const [, file, line, column] of text.matchAll(/(\S+\.cue):(\d+):(\d+)/g)) {
    if (basename(file as string) === name) return { line: Number(line), column: Number(column) };
  }
  return {};
}
