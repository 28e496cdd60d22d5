import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { datadogSites } from '../../src/sources/datadog/query/sites.ts';
import { rolloutsVersions } from '../e2e/programs.ts';

const root = path.join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

describe('the table of compatibility in README.md', () => {
  const [, table = ''] = /^## Compatibility$([\s\S]*?)^## /m.exec(read('README.md')) ?? [];
  const row = (what: string) =>
    table
      .split('\n')
      .find((line) => line.startsWith(`| ${what}`))
      ?.split('|')
      .map((cell) => cell.trim())
      .slice(2) ?? [];

  it('names the versions of Argo Rollouts that the end-to-end tests run', () => {
    const [worksWith, testedWith = ''] = row('Argo Rollouts');
    expect(testedWith.match(/\d+\.\d+\.\d+/g)?.sort()).toEqual(
      rolloutsVersions.map((version) => version.slice(1)).sort(),
    );
    const minors = rolloutsVersions.map((version) => Number(/^v1\.(\d+)\./.exec(version)?.[1]));
    expect(worksWith).toBe(`1.${Math.min(...minors)} to 1.${Math.max(...minors)}`);
  });

  it("names the chart's oldest Kubernetes, and what the tests run", () => {
    const { kubeVersion } = parse(read('helm/cuj-gate/Chart.yaml')) as { kubeVersion: string };
    const modules = read('test/e2e/go/kubernetes/go.mod');
    const [, oldest] = /^>=(\d+\.\d+)\./.exec(kubeVersion) ?? [];
    expect(row('Kubernetes')[0]).toContain(`${oldest} or later`);
    expect(row('Kubernetes')[1]).toContain(/k8s\.io\/kubernetes v(\d+\.\d+)\./.exec(modules)?.[1]);
    expect(row('Helm')[1]).toBe(/helm\.sh\/helm\/v3 v(\d+\.\d+)\./.exec(modules)?.[1]);
  });

  it("names the oldest Node that package.json allows, and the image's", () => {
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    const oldest = engines.node.replace('>=', '');
    expect(row('Node')).toEqual([
      `${oldest} or later`,
      `${oldest} and ${read('.nvmrc').trim()}; the image has ${read('.nvmrc').trim()}`,
      '',
    ]);
  });

  it('names every site of Datadog that the gate takes', () => {
    const named = [...(row('Datadog')[0] ?? '').matchAll(/`([^`]+\.[^`]+)`/g)].map(([, site]) => site);
    expect(named).toEqual([...datadogSites]);
  });
});
