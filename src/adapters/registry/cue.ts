import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Problem } from '../../domain/registry-model.ts';
import { fileProblem, maxFileBytes } from './files.ts';

const exec = promisify(execFile);
const timeoutMs = 20_000;

/** What `cue export` makes of a file, as JSON bytes. `cue` is looked up in PATH. */
export async function exportCue(
  path: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Buffer | Problem> {
  // A path that begins with a hyphen is a file's, not an option's.
  const file = path.startsWith('-') ? `./${path}` : path;
  try {
    const { stdout } = await exec('cue', ['export', '--out', 'json', file], {
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
    return fileProblem(path, 'no-cue', `${path} is CUE, and there is no cue in PATH to export it`, {
      fix: 'Install cue (https://cuelang.org), or run cue export elsewhere and hand over its JSON.',
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
  const said = (stderr?.toString('utf8').trim() || message).slice(0, 2000);
  return fileProblem(path, 'cue-failed', `cue export ${path} failed: ${said}`, {
    fix: 'Run cue vet on it and correct what it says.',
    ...cuePosition(said),
  });
}

/** cue names places as `./file.cue:3:5`. */
function cuePosition(text: string): { readonly line?: number; readonly column?: number } {
  const match = /\.cue:(\d+):(\d+)/.exec(text);
  return match === null ? {} : { line: Number(match[1]), column: Number(match[2]) };
}
