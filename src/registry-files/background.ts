import { setImmediate as nextTurn } from 'node:timers/promises';
import { resolveInSteps } from '../domain/registry/resolve.ts';
import { defaultBackend, dialects } from '../sources/dialects/dialects.ts';
import { findRegistryFiles, signatureOf } from './files.ts';
import { type LoadOptions, type LoadResult, loadRegistry } from './load.ts';

/** Smaller registries are read within a few milliseconds, or within fifty if their syntax is invalid. */
const smallBytes = 16 * 1024;
/**
 * How long the model is built at a stretch while requests may wait: of 1,000 CUJs it takes longer than the 50 ms that a
 * reload may add to an answer.
 */
const sliceMs = 8;

/**
 * {@link loadRegistry} for a process that serves requests: a large registry is read and checked in its own thread, and the
 * model is built in slices of a few milliseconds.
 */
export async function loadInBackground(
  path: string,
  { backend = defaultBackend, signal }: LoadOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<LoadResult> {
  if (!(await isLarge(path))) return loadRegistry(path, { backend });
  const signature = await signatureOf(path);
  const { readInThread } = await import('./worker.ts');
  let answer: Awaited<ReturnType<typeof readInThread>>;
  try {
    answer = await readInThread(path, backend, signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    // No thread available (limits of memory or processes): delayed responses are better than no registry.
    return loadRegistry(path, { backend });
  }
  if (!answer.ok) return { ...answer, signature };
  const steps = resolveInSteps(answer.inputs, answer.digest, { dialect: dialects[backend] });
  let began = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done) {
      // The thread has resolved the same documents without a finding.
      if (step.value.ok) return { ok: true, registry: step.value.registry, files: answer.files, signature };
      return loadRegistry(path, { backend });
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
