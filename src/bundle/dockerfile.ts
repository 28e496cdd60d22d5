import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The stages of the checkout's Dockerfile, each a list of instructions; lines that end in a backslash are joined. */
export function stages(root: string): Instruction[][] {
  const text = readFileSync(path.join(root, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ');
  const all: Instruction[][] = [[]];
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, rest] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) throw new Error(`not an instruction: ${line}`);
    if (name === 'FROM') all.push([]);
    all.at(-1)?.push({ name, text: rest });
  }
  return all;
}

/** What the last stage copies: from the earlier stage's `from` to `to`, both folders or files, absolute. */
export function finalCopies(root: string): { from: string; to: string }[] {
  const final = stages(root).at(-1) ?? [];
  const workdir = final.find(({ name }) => name === 'WORKDIR')?.text ?? '/';
  return final
    .filter(({ name }) => name === 'COPY')
    .flatMap(({ text }) => {
      const words = text.split(/\s+/);
      if (words.shift() !== '--from=bundle') throw new Error(`the last stage copies from elsewhere: ${text}`);
      const to = path.posix.resolve(workdir, words.pop() ?? '');
      return words.map((from) => ({
        from,
        to: from.endsWith('/') ? to : path.posix.join(to, path.posix.basename(from)),
      }));
    });
}

/** What the stage that bundles takes of the checkout: files and folders, relative to it. */
export function bundleInputs(root: string): string[] {
  return (stages(root)[1] ?? [])
    .filter(({ name }) => name === 'COPY')
    .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
}

/** An instruction of the last stage in its JSON form, which needs no shell; `CMD [...]` inside a HEALTHCHECK too. */
export function execForm(root: string, name: string): string[] {
  const text = stages(root)
    .at(-1)
    ?.find((instruction) => instruction.name === name)?.text;
  const json = text?.slice(text.indexOf('['));
  if (json === undefined) throw new Error(`the last stage has no ${name}`);
  return JSON.parse(json) as string[];
}
