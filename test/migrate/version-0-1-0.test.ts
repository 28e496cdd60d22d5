import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { migrate } from '../../src/migrate/migrate.ts';
import { capture } from '../commands/io.ts';

/** Files as version 0.1.0 had them: its example, its documentation, its chart, what it generated and what it recorded. */
const folder = new URL('./testdata/v0.1.0/', import.meta.url);
const pathOf = (name: string) => fileURLToPath(new URL(name, folder));
const textOf = (name: string) => readFileSync(new URL(name, folder), 'utf8');

/** What 0.1.0 said of its registries. */
const registries = {
  'registry-example.yaml':
    '10 CUJs, 3 services, digest sha256:90d39e3c158d4f22ad7f43eddde58fb75a87ef60f51a617cc12498a434b1cdcb',
  'registry-guide.yaml':
    '1 CUJ, 1 service, digest sha256:c6fbb70070e9dbe1c2f036d387f20a20486b7ae42cff5102abc6ae2779109d58',
  'registry-readme.yaml':
    '1 CUJ, 1 service, digest sha256:8a2da70eae65d489e12f38f4989ce9926a9c02158ae0015aa7eb50b1a001056c',
  'registry-one-cuj.yaml':
    '1 CUJ, 2 services, digest sha256:0e83d81eac49718f3297d542db37f968ec13a517542a17dd8d059dc760839efc',
  'registry-three-services.yaml':
    '3 CUJs, 3 services, digest sha256:f2f0840b722433596889a67cd52980873737c21dc690e26a1daa0e9ab90e68cd',
};

describe('the registries of 0.1.0', () => {
  it('are all here', () => {
    const files = readdirSync(folder).filter((name) => name.startsWith('registry-'));
    expect(files).toEqual(Object.keys(registries).sort());
  });

  it.each(Object.entries(registries))('%s is valid, with the digest that it had', async (name, said) => {
    const { io, stdout } = capture();
    const code = await run(['validate', pathOf(name)], io);
    expect([code, stdout()]).toEqual([0, `ok: ${said}\n`]);
  });
});

describe('the files of 0.1.0 that have no old name', () => {
  const others = readdirSync(folder).filter((name) => name !== 'dashboard.json');

  it.each(others)('%s is left as it is', (name) => {
    const { text, renamings, undecided, partly } = migrate({ file: name, text: textOf(name) });
    expect({ renamings, undecided, partly }).toEqual({ renamings: [], undecided: [], partly: undefined });
    expect(text).toBe(textOf(name));
  });
});

it('the dashboard of 0.1.0 gets the one metric that was renamed', () => {
  const { text, renamings } = migrate({ file: 'dashboard.json', text: textOf('dashboard.json') });
  expect(renamings).toEqual([
    {
      file: 'dashboard.json',
      line: 1244,
      column: 24,
      kind: 'metric',
      old: 'cuj_gate_inflight_questions',
      now: 'cuj_gate_inflight_requests',
    },
  ]);
  expect(text).toBe(
    textOf('dashboard.json').replace('cuj_gate_inflight_questions', 'cuj_gate_inflight_requests'),
  );
});

it('a record of 0.1.0 is judged again, and says that another version wrote it', async () => {
  const { io, stdout, stderr } = capture();
  const code = await run(['evaluate', '--replay', pathOf('record.json')], io);
  expect(code).toBe(1);
  expect(stdout()).toMatch(/^PASS signup \(within_slo\): 0 of 600 requests failed/);
  expect(stderr()).toMatch(/another version of cuj-gate wrote it/);
});
