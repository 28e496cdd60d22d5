import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { generateCommand } from '../../src/commands/generate.ts';
import { capture } from '../commands/io.ts';

const root = path.join(import.meta.dirname, '../..');
const gitops = path.join(root, 'docs', 'gitops');
const shop = path.join(gitops, 'shop');
const read = (...parts: string[]) => readFileSync(path.join(...parts), 'utf8');
const script = read(shop, 'generate.sh');

/** The targets of the script: a layout and a folder each. */
const targets = (/^for target in (.*); do$/m.exec(script)?.[1] ?? '')
  .split(' ')
  .map((target) => target.split(':') as [layout: string, folder: string]);

describe('docs/gitops', () => {
  it.each(targets)('has what generate makes today: layout %s in %s', async (layout, folder) => {
    const url = /GATE_URL:-([^}]+)\}/.exec(script)?.[1] as string;
    const { io, stdout } = capture();
    const code = await generateCommand(
      [
        ...['analysis-templates', '--registry', path.join(shop, 'cujs.yaml'), '--gate-url', url],
        ...['--layout', layout, '--out', path.join(shop, folder), '--check'],
      ],
      io,
    );
    expect({ code, stdout: stdout() }).toEqual({ code: 0, stdout: '' });
  });

  it('shows every layout', () => {
    expect(targets.map(([layout]) => layout).sort()).toEqual(['helm', 'kustomize', 'plain']);
  });

  it('shows blocks that stand in the files named above them', () => {
    const blocks = [
      ...read(gitops, 'README.md').matchAll(/^<!-- from: (\S+) -->\n```\w+\n([\s\S]*?)^```$/gm),
    ];
    expect(blocks.length).toBeGreaterThan(3);
    for (const [, file, block] of blocks) {
      const lines = (block as string).trimEnd().split('\n');
      const text = read(root, file as string).split('\n');
      const stands = text.some((first, at) => {
        const indent = /^ */.exec(first)?.[0] as string;
        return lines.every((line, i) => text[at + i] === indent + line);
      });
      expect(stands, `${file}:\n${block}`).toBe(true);
    }
  });

  it('has nothing generated in it that Flux would take for a variable', () => {
    const files = targets.flatMap(([, folder]) =>
      readdirSync(path.join(shop, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.yaml'))
        .map((name) => path.join(folder, name)),
    );
    expect(files.filter((file) => read(shop, file).includes('${'))).toEqual([]);
  });

  it('has no name that a tool takes for a manifest, but Kubernetes objects and the files of Helm and Kustomize', () => {
    const names = readdirSync(path.join(shop, 'manifests'), { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((each) => /\.(ya?ml|json|jsonnet)$/.test(each)))
      for (const document of read(shop, 'manifests', name).split(/^---$/m))
        expect(parse(document), name).toMatchObject({
          apiVersion: expect.any(String),
          kind: expect.any(String),
        });
  });

  it('deploys the same service by Kustomize and as plain manifests', () => {
    expect(read(shop, 'kustomize/base/member-api.yaml')).toBe(read(shop, 'manifests/member-api.yaml'));
  });
});
