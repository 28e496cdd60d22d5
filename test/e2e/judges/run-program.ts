import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What a program printed. Throws with all of it where the program says no. */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [...args]);
    return stdout + stderr;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} says no: ${stdout + stderr || message}`);
  }
}
