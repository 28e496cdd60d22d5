import { expect, it } from 'vitest';
import { anyRegistryOf } from '../../src/domain/registry/model.ts';
import { loadInBackground } from '../../src/registry-files/background.ts';
import { type LoadResult, loadRegistries } from '../../src/registry-files/load.ts';
import { readInThread } from '../../src/registry-files/worker.ts';
import { scratchFile } from './scratch.ts';

/** A registry of a few hundred KiB. */
function large(spoil: (cuj: Record<string, unknown>, index: number) => void = () => undefined): string {
  const cujs = Array.from({ length: 600 }, (_, index) => {
    const cuj = {
      name: `cuj-${index}`,
      owner: 'team',
      service: `svc-${index % 30}`,
      endpoints: Array.from({ length: 12 }, (_, i) => ({
        method: 'GET',
        path: `/api/v1/things/${index}/${i}`,
      })),
    };
    spoil(cuj, index);
    return cuj;
  });
  const service = { env: 'production', operation: 'http.request', canary: 'version:{version}' };
  const services = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`svc-${i}`, service]));
  return JSON.stringify(
    { apiVersion: 'cuj-gate/v1', defaults: { slo: { availability: 99.9 } }, services, cujs },
    null,
    1,
  );
}

it('a large registry is the same read in the background as read at once', async () => {
  const path = scratchFile(large(), 'r.json');
  const answer = await readInThread(path, 'datadog');
  expect(answer.ok && answer.inputs[0]?.document.cujs).toHaveLength(600);
  const there = await loadInBackground(path);
  expect(there.ok && anyRegistryOf(there.registries).cujs.size).toBe(600);
  // Warnings are for people who wait for them: they are not looked for while requests wait.
  const { warnings, ...atOnce } = (await loadRegistries(path)) as LoadResult & { ok: true };
  expect(warnings).toEqual([]);
  expect(there).toEqual(atOnce);
});

it('a large registry with problems has the same problems read in the background', async () => {
  const path = scratchFile(
    large((cuj, index) => {
      if (index === 400) cuj.service = 'svc-301';
      if (index === 500) cuj.owner = 5;
    }),
    'r.json',
  );
  const there = await loadInBackground(path);
  expect(there).toMatchObject({ ok: false, problems: [{ rule: 'unknown-service' }, { rule: 'type' }] });
  expect(there).toEqual(await loadRegistries(path));
});

it('a reload in the background lets other work go between', async () => {
  const path = scratchFile(large(), 'r.json');
  let turns = 0;
  let going = true;
  const count = () => {
    turns += 1;
    if (going) setImmediate(count);
  };
  setImmediate(count);
  await loadInBackground(path);
  going = false;
  // Six chunks of a hundred CUJs arrive in turns of their own.
  expect(turns).toBeGreaterThan(6);
});

it('a reload that is cut off rejects, before the thread has started and after', async () => {
  const path = scratchFile(large(), 'r.json');
  const stop = new AbortController();
  const reading = readInThread(path, 'datadog', stop.signal);
  stop.abort(new Error('closing'));
  await expect(reading).rejects.toThrow('ended before it answered');
  await expect(loadInBackground(path, { signal: stop.signal })).rejects.toThrow('closing');
});
