import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { anyRegistryOf } from '../../src/domain/registry/model.ts';
import { loadRegistries } from '../../src/registry-files/load.ts';
import { createRegistryWatcher, watchRegistry } from '../../src/registry-files/watch.ts';
import { scratchFolder } from './scratch.ts';

const good = readFileSync(new URL('../testdata/registry/good.yaml', import.meta.url), 'utf8');
const named = (name: string) => good.replace('name: everything', `name: ${name}`);
const bad = good.replace('tier: 1', 'teir: 1');

async function watching(path: string, read: (path: string) => Promise<Buffer> = readFile) {
  const initial = await loadRegistries(path);
  if (!initial.ok) throw new Error(JSON.stringify(initial.problems));
  let time = 1000;
  const events: string[] = [];
  const watcher = createRegistryWatcher({
    path,
    initial,
    now: () => time,
    load: (from) => loadRegistries(from, { read }),
    onGood: ({ registries, loadedAt }) =>
      events.push(`good ${[...anyRegistryOf(registries).cujs.keys()][1]} ${loadedAt}`),
    onBad: ({ problems, at }) => events.push(`bad ${problems[0]?.rule} ${at}`),
  });
  const polls = async (count: number) => {
    const outcomes: string[] = [];
    for (let i = 0; i < count; i += 1) {
      time += 1;
      outcomes.push(await watcher.poll());
    }
    return outcomes;
  };
  const second = () => [...anyRegistryOf(watcher.current().registries).cujs.keys()][1];
  return { watcher, events, polls, second };
}

/** Writes as editors and config tools do: beside, then over. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

describe('a watched file', () => {
  const one = async () => {
    const path = join(scratchFolder({ 'cujs.yaml': good }), 'cujs.yaml');
    return { path, ...(await watching(path)) };
  };

  it('is read again only when it changed and then stood still for one look', async () => {
    const { path, polls, events, second } = await one();
    expect(await polls(2)).toEqual(['unchanged', 'unchanged']);
    writeFileSync(path, named('first-change'));
    expect(await polls(1)).toEqual(['settling']);
    writeFileSync(path, named('second-change-of-it'));
    expect(await polls(3)).toEqual(['settling', 'reloaded', 'unchanged']);
    expect(events).toEqual(['good second-change-of-it 1005']);
    expect(second()).toBe('second-change-of-it');
  });

  it('whose load crashes is said to be refused, and is loaded again', async () => {
    const path = join(scratchFolder({ 'cujs.yaml': good }), 'cujs.yaml');
    const initial = await loadRegistries(path);
    if (!initial.ok) throw new Error(JSON.stringify(initial.problems));
    const refused: string[] = [];
    let loads = 0;
    const watcher = createRegistryWatcher({
      path,
      initial,
      load: async (from) => {
        loads += 1;
        if (loads === 1) throw new TypeError('out of\nthis world');
        return loadRegistries(from);
      },
      onBad: ({ problems }) => refused.push(problems[0]?.message ?? ''),
    });
    writeFileSync(path, named('another-name-of-it'));
    const outcomes: string[] = [];
    for (let i = 0; i < 3; i += 1) outcomes.push(await watcher.poll());
    expect(outcomes).toEqual(['settling', 'refused', 'reloaded']);
    expect(refused).toEqual(['the registry could not be loaded: out of this world']);
    expect(watcher.lastFailure()).toBeUndefined();
  });

  it('may be replaced by an atomic rename', async () => {
    const { path, polls, second } = await one();
    replace(path, named('renamed'));
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(second()).toBe('renamed');
  });

  it('with the same bytes again is no change', async () => {
    const { path, polls, events, watcher } = await one();
    const before = watcher.current();
    replace(path, good);
    expect(await polls(3)).toEqual(['settling', 'unchanged', 'unchanged']);
    expect(events).toEqual([]);
    expect(watcher.current()).toBe(before);
  });

  it('that went bad never replaces the good registry and is told once', async () => {
    const { path, polls, events, watcher, second } = await one();
    const before = watcher.current();
    replace(path, bad);
    expect(await polls(4)).toEqual(['settling', 'refused', 'unchanged', 'unchanged']);
    expect(watcher.current()).toBe(before);
    expect(second()).toBe('everything');
    expect(events).toEqual(['bad unknown-key 1002']);
    expect(watcher.lastFailure()).toMatchObject({
      at: 1002,
      problems: [{ rule: 'unknown-key', path: 'cujs[0].teir' }],
    });
  });

  it('that went bad and good again has no failure any more, even with the same bytes', async () => {
    const { path, polls, events, watcher } = await one();
    replace(path, bad);
    await polls(2);
    replace(path, good);
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(watcher.lastFailure()).toBeUndefined();
    expect(events.at(-1)).toBe('good everything 1004');
  });

  it('that vanished is a bad change; the registry goes on until the file is back', async () => {
    const { path, polls, events, watcher, second } = await one();
    rmSync(path);
    expect(await polls(3)).toEqual(['settling', 'refused', 'unchanged']);
    expect(watcher.lastFailure()?.problems[0]?.rule).toBe('no-such-file');
    expect(second()).toBe('everything');
    writeFileSync(path, named('back-again'));
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(events).toEqual(['bad no-such-file 1002', 'good back-again 1005']);
  });

  it('that could not be read is tried again, although it looks the same', async () => {
    const path = join(scratchFolder({ 'cujs.yaml': good }), 'cujs.yaml');
    let fails = false;
    const { polls, events, watcher, second } = await watching(path, async (file) => {
      if (fails) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      return readFile(file);
    });
    replace(path, named('corrected'));
    fails = true;
    expect(await polls(3)).toEqual(['settling', 'refused', 'unchanged']);
    expect(watcher.lastFailure()?.problems[0]?.message).toMatch(/cannot be read \(EMFILE\)/);
    fails = false;
    expect(await polls(3)).toEqual(['unchanged', 'reloaded', 'unchanged']);
    expect(second()).toBe('corrected');
    expect(watcher.lastFailure()).toBeUndefined();
    expect(events).toEqual(['bad unreadable-file 1002', 'good corrected 1005']);
  });

  it('that could not be read is tried less and less often, at the latest after forty looks', async () => {
    const path = join(scratchFolder({ 'cujs.yaml': good }), 'cujs.yaml');
    let failed = 0;
    const { polls, events } = await watching(path, async (file) => {
      if (failed < 10) {
        failed += 1;
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      }
      return readFile(file);
    });
    replace(path, named('late'));
    const outcomes = await polls(2 + 1 + 2 + 4 + 8 + 16 + 32 + 3 * 40 + 40);
    expect(outcomes.filter((outcome) => outcome !== 'unchanged')).toEqual([
      'settling',
      'refused',
      'reloaded',
    ]);
    expect(events).toHaveLength(2);
  });

  it('whose mode alone changed is read again', async () => {
    const { path, polls } = await one();
    chmodSync(path, 0o640);
    expect(await polls(3)).toEqual(['settling', 'unchanged', 'unchanged']);
  });

  it('of the same size and name is still seen by its time', async () => {
    const { path, polls, second } = await one();
    writeFileSync(path, named('everythinh'));
    utimesSync(path, 1, 1);
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(second()).toBe('everythinh');
  });

  it('is looked at by one look at a time', async () => {
    const { watcher, path } = await one();
    replace(path, named('once'));
    expect(await Promise.all([watcher.poll(), watcher.poll(), watcher.poll()])).toEqual(
      Array(3).fill('settling'),
    );
  });
});

describe('a watched folder', () => {
  it('sees files come and go', async () => {
    const split = good.indexOf('cujs:');
    const header = 'apiVersion: cuj-gate/v1\n';
    const folder = scratchFolder({ 'a.yaml': good.slice(0, split), 'b.yaml': header + good.slice(split) });
    const { polls, watcher } = await watching(folder);
    const more = 'cujs: [{ name: more, owner: t, service: auth, endpoints: [GET /more] }]';
    writeFileSync(join(folder, 'c.yaml'), `${header}${more}\n`);
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(anyRegistryOf(watcher.current().registries).cujs.has('more')).toBe(true);
    expect(watcher.current().files).toHaveLength(3);
    rmSync(join(folder, 'c.yaml'));
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(anyRegistryOf(watcher.current().registries).cujs.has('more')).toBe(false);
    writeFileSync(join(folder, '.c.yaml.swp'), 'x');
    expect(await polls(1)).toEqual(['unchanged']);
  });

  it('that is a ConfigMap is swapped as a whole, as the kubelet does it', async () => {
    const folder = scratchFolder();
    const publish = (version: string, text: string) => {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'cujs.yaml'), text);
      symlinkSync(version, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    publish('..2026_01', good);
    symlinkSync(join('..data', 'cujs.yaml'), join(folder, 'cujs.yaml'));
    const { polls, second, watcher } = await watching(folder);
    expect(watcher.current().files).toEqual([join(folder, 'cujs.yaml')]);
    publish('..2026_02', named('swapped'));
    rmSync(join(folder, '..2026_01'), { recursive: true });
    expect(await polls(2)).toEqual(['settling', 'reloaded']);
    expect(second()).toBe('swapped');
  });
});

describe('watching by the clock', () => {
  it('looks every interval, and no more after the signal', async () => {
    const path = join(scratchFolder({ 'cujs.yaml': good }), 'cujs.yaml');
    const initial = await loadRegistries(path);
    if (!initial.ok) throw new Error('good.yaml is bad');
    const stop = new AbortController();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    try {
      const live = new Promise<string>((resolve) => {
        watchRegistry({
          path,
          initial,
          intervalMs: 1,
          signal: stop.signal,
          onGood: ({ registries }) => resolve([...anyRegistryOf(registries).cujs.keys()][1] as string),
        });
      });
      replace(path, named('live'));
      expect(await live).toBe('live');
      stop.abort();
      const unreffed = timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef());
      expect(unreffed).not.toContain(true);
    } finally {
      timers.mockRestore();
    }
  });
});

describe('a registry whose folder cannot be read', () => {
  it('is not taken for one without files', async () => {
    const folder = scratchFolder({ 'a.yaml': good });
    const result = await loadRegistries(folder, {
      read: async () => {
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      },
    });
    expect(result).toMatchObject({ ok: false, unread: true });
    expect(await loadRegistries(scratchFolder())).toMatchObject({ ok: false, unread: false });
  });
});
