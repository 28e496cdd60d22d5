import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { RegistryInput } from '../domain/registry/findings.ts';
import type { Problem } from '../domain/registry/model.ts';
import type { CujDocument } from '../domain/registry/schema.ts';
import type { BackendName } from './dialects.ts';
import { conclude } from './load.ts';
import { gather } from './read-documents.ts';

/**
 * Reading and checking a registry in a thread of its own. The thread is started from this module's own address and,
 * seeing what it was started for, serves. In a bundle that address is the bundle's, so the bundle's entry must import
 * this module, and do nothing else, when it finds itself outside the main thread: see bin.ts.
 */

/** What a registry's files came to: documents that hold no problem, or the problems. */
export type ThreadAnswer =
  | {
      readonly ok: true;
      readonly inputs: readonly RegistryInput[];
      readonly digest: string;
      readonly files: readonly string[];
    }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      readonly omitted: number;
      readonly unread: boolean;
      readonly files: readonly string[];
    };

interface Task {
  readonly role: typeof role;
  readonly path: string;
  readonly backend: BackendName;
}

type Message =
  | { readonly kind: 'bad'; readonly answer: ThreadAnswer & { ok: false } }
  | {
      readonly kind: 'good';
      /** The documents without their CUJs, which follow. */
      readonly heads: readonly RegistryInput[];
      readonly digest: string;
      readonly files: readonly string[];
    }
  | { readonly kind: 'cujs'; readonly input: number; readonly cujs: readonly CujDocument[] }
  | { readonly kind: 'end' };

const role = 'cuj-gate registry reader';

/** CUJs a message: receiving one takes the main thread about a millisecond. */
const chunk = 100;

/**
 * Reads a registry in another thread. The answer arrives in pieces, each taken in a turn of the event loop of its own.
 * Rejects where the thread could not do its work, for whatever reason: the caller then reads by itself.
 */
export function readInThread(
  path: string,
  backend: BackendName,
  signal?: AbortSignal,
): Promise<ThreadAnswer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const task: Task = { role, path, backend };
    const worker = startThread(task);
    let documents: RegistryInput[] = [];
    let head: (Message & { kind: 'good' }) | undefined;
    const stop = () => void worker.terminate();
    signal?.addEventListener('abort', stop, { once: true });
    const settle = (act: () => void) => {
      signal?.removeEventListener('abort', stop);
      act();
      stop();
    };
    worker.on('error', (error) => settle(() => reject(error)));
    worker.on('exit', () => settle(() => reject(new Error('The thread ended before it answered.'))));
    worker.on('message', (message: Message) => {
      switch (message.kind) {
        case 'bad':
          settle(() => resolve(message.answer));
          return;
        case 'good':
          head = message;
          documents = message.heads.map((input) => ({ ...input, document: { ...input.document, cujs: [] } }));
          break;
        case 'cujs':
          documents[message.input]?.document.cujs?.push(...message.cujs);
          break;
        case 'end': {
          const { digest, files } = head as Message & { kind: 'good' };
          settle(() => resolve({ ok: true, inputs: documents, digest, files }));
          return;
        }
      }
      // Messages that wait are all delivered in one turn, so the next one is asked for in another.
      setImmediate(() => worker.postMessage('next'));
    });
  });
}

/** A thread that loads this module. Sources in TypeScript on a Node that does not read them need tsx there as well. */
function startThread(workerData: Task): Worker {
  const url = import.meta.url;
  if (!url.endsWith('.ts') || process.features.typescript) return new Worker(new URL(url), { workerData });
  // Found from the working directory, which is the checkout for whoever runs the sources.
  const code = `import('tsx/esm/api').then(({ register }) => { register(); return import('${url}'); });`;
  return new Worker(code, { eval: true, workerData });
}

async function serve({ path, backend }: Task): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const steps = messages(path, backend);
  const send = async () => {
    const step = await steps.next();
    if (!step.done) port.postMessage(step.value);
  };
  port.on('message', () => void send());
  await send();
}

async function* messages(path: string, backend: BackendName): AsyncGenerator<Message, void, undefined> {
  const gathered = await gather(path);
  const result = conclude(gathered, backend);
  if (!result.ok) {
    yield { kind: 'bad', answer: result };
    return;
  }
  const { inputs, digest, files } = gathered;
  const heads = inputs.map((input) => ({ ...input, document: { ...input.document, cujs: [] } }));
  yield { kind: 'good', heads, digest, files };
  for (const [input, { document }] of inputs.entries()) {
    const cujs = document.cujs ?? [];
    for (let from = 0; from < cujs.length; from += chunk) {
      yield { kind: 'cujs', input, cujs: cujs.slice(from, from + chunk) };
    }
  }
  yield { kind: 'end' };
}

const task = workerData as Task | null;
if (!isMainThread && task?.role === role) void serve(task);
