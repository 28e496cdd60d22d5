import { setImmediate as nextTurn } from 'node:timers/promises';
import { resolveSetInSteps } from '../domain/registry/resolve-set.ts';
import { dialectOptions } from '../sources/dialects/dialect-options.ts';
import { defaultBackend } from '../sources/dialects/dialects.ts';
import { findRegistryFiles, signatureOf } from './files.ts';
import { type LoadOptions, type LoadResult, loadRegistries, restrictTo } from './load.ts';

/** Smaller registries are read within a few milliseconds, or within fifty if their syntax is invalid. */
const smallBytes = 16 * 1024;
/**
 * How long the model is built at a stretch while requests may wait: of 1,000 CUJs it takes longer than the 50 ms that a
 * reload may add to an answer.
 */
const sliceMs = 8;

/**
 * {@link loadRegistries} for a process that serves requests: a large registry is read and checked in its own thread, and the
 * model is built in slices of a few milliseconds.
 */
export async function loadInBackground(
  path: string,
  {
    backend = defaultBackend,
    environment,
    signal,
  }: LoadOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<LoadResult> {
  if (!(await isLarge(path))) return loadRegistries(path, { backend, environment });
  const signature = await signatureOf(path);
  const { readInThread } = await import('./worker.ts');
  let answer: Awaited<ReturnType<typeof readInThread>>;
  try {
    answer = await readInThread(path, backend, signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    // No thread available (limits of memory or processes): delayed responses are better than no registry.
    return loadRegistries(path, { backend, environment });
  }
  if (!answer.ok) return { ...answer, signature };
  const steps = resolveSetInSteps(answer.inputs, answer.digest, dialectOptions(backend));
  let began = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done) {
      // The thread has resolved the same documents without a finding.
      if (!step.value.ok) return loadRegistries(path, { backend, environment });
      const { registries } = step.value;
      const result = { ok: true, registries, files: answer.files, signature } as const;
      return environment === undefined ? result : restrictTo(environment, path, result);
    }
    if (performance.now() - began < sliceMs) continue;
    await nextTurn();
    began = performance.now();
  }
}

async function isLarge(path: string): Promise<boolean> {
  const found = await findRegistryFiles(path);
  if (!found.ok) return false;
  const bytes = found.files.reduce((sum, file) => sum + file.bytes, 0);
  // What CUE exports may be much longer than what it was given.
  return bytes > smallBytes || found.files.some((file) => file.format === 'cue');
}
