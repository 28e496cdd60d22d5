import { joined } from '../name-lists.ts';
import type { Registry, Service } from './model.ts';
import { allWords } from './own-words.ts';
import type { BackendWords, OwnWords, SourceDialect } from './source-dialect.ts';

/** The names of some backends, each once: `A`, or `A and B`. */
export function backendsText(of: readonly Pick<BackendWords, 'backend'>[], join: 'and' | 'or'): string {
  return joined(
    of.map(({ backend }) => backend),
    join,
  );
}

/** What people know the backends by that measure some services, at least one. */
export function wordsOf(services: readonly Service[]): BackendWords {
  return joinedWords(services.map(({ dialect }) => dialect));
}

/** The words of some backends as those of one: `A and B`. */
export function joinedWords(dialects: readonly BackendWords[]): BackendWords {
  return {
    backend: backendsText(dialects, 'and'),
    versionTag: joined(
      dialects.map(({ versionTag }) => versionTag),
      'or',
    ),
    addressSetting: joined(
      dialects.map(({ addressSetting }) => addressSetting),
      'or',
    ),
    ...(dialects.some(({ words }) => words !== undefined) ? { words: joinedOwnWords(dialects) } : {}),
  };
}

function joinedOwnWords(dialects: readonly BackendWords[]): OwnWords {
  const all = dialects.map(allWords);
  const join = (of: (words: OwnWords) => string, by: 'and' | 'or' = 'or') => joined(all.map(of), by);
  return {
    tag: join(({ tag }) => tag),
    tags: join(({ tags }) => tags),
    tagKey: join(({ tagKey }) => tagKey),
    tagged: join(({ tagged }) => tagged),
    env: join(({ env }) => env),
    foundBy: join(({ foundBy }) => foundBy),
    dataFrom: join(({ dataFrom }) => dataFrom, 'and'),
    namedIn: join(({ namedIn }) => namedIn),
    endpointBy: join(({ endpointBy }) => endpointBy),
    statusFix: [...new Set(all.map(({ statusFix }) => statusFix))].join(' '),
  };
}

/** The backends that a question asks, as one: `A or B`, with the data that all of them keep. */
export type AskedBackends = Pick<SourceDialect, 'backend' | 'retentionMs'>;

/** Of some services of a registry; of all where none are named, as those of a retired CUJ. */
export function askedBackends({ services }: Registry, names: readonly string[]): AskedBackends {
  const named = names.flatMap((name) => services.get(name) ?? []);
  const dialects = (named.length === 0 ? [...services.values()] : named).map(({ dialect }) => dialect);
  return {
    backend: backendsText(dialects, 'or'),
    retentionMs: Math.min(...dialects.map(({ retentionMs }) => retentionMs)),
  };
}

/** Whether any backend of a registry says how many calls its rate limit leaves. */
export function tellsCallsLeft({ services }: Pick<Registry, 'services'>): boolean {
  return [...services.values()].some(({ dialect }) => dialect.tellsCallsLeft === true);
}

/** Whether services are measured by more than one backend. */
export function haveSeveralBackends(services: readonly Service[]): boolean {
  return services.some(({ dialect }) => dialect !== services[0]?.dialect);
}
