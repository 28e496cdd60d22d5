import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { RegistryInput } from '../domain/registry/findings.ts';
import type { Problem } from '../domain/registry/model.ts';
import type { AnyCujDocument } from '../domain/registry/schema.ts';
import type { BackendName } from '../sources/dialects/dialects.ts';
import { conclude } from './load.ts';
import { gather } from './read-documents.ts';

/**
 * Reads and checks a registry in its own thread. The thread is started with this module's URL, and the module serves
 * requests when it is loaded in that thread. In a bundle that URL is the bundle's: outside the main thread, its entry must
 * only import this module (see bin.ts).
 */

/** The result of reading a registry's files: documents without problems, or the problems. */
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
  | { readonly kind: 'cujs'; readonly input: number; readonly cujs: readonly AnyCujDocument[] }
  | { readonly kind: 'end' };

const role = 'cuj-gate registry reader';

/** CUJs per message: receiving one takes the main thread about a millisecond. */
const chunk = 100;

/**
 * Reads a registry in another thread. The result arrives in pieces, each in its own turn of the event loop. Rejects where
 * the thread fails, for any reason: the caller then reads the registry itself.
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
      // Pending messages are all delivered in one turn, so the next one is requested in another turn.
      setImmediate(() => worker.postMessage('next'));
    });
  });
}

/** Starts a thread that loads this module. TypeScript sources need tsx in the thread, too, on a Node without support. */
function startThread(workerData: Task): Worker {
  const url = import.meta.url;
  if (!url.endsWith('.ts') || process.features.typescript) return new Worker(new URL(url), { workerData });
  // Resolved from the working directory, which is the checkout when the sources are run.
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
