import type { BackendWords, OwnWords } from './source-dialect.ts';

/** The words for a backend that has no others. */
export function usualWords(backend: string): OwnWords {
  return {
    tag: 'tag',
    tags: 'tags',
    tagKey: 'tag key',
    tagged: 'requests',
    env: 'the env tag of its traffic',
    foundBy: 'env, service and operation',
    dataFrom: `${backend}'s status page and the agents of these services`,
    namedIn: 'the traces of one request',
    endpointBy: 'the tag that names their endpoint (endpointTag)',
    statusFix:
      'If only the new version lacks it, hold the release and fix what sets it, such as its tracer. If no version has it, say in the registry what counts as a failure of the service: failure: grpc for gRPC, failure: errors for GraphQL and others, or bad of its source. cuj-gate doctor names what is missing.',
  };
}

/** All words for a backend. */
export function allWords({ backend, words }: Pick<BackendWords, 'backend' | 'words'>): OwnWords {
  return { ...usualWords(backend), ...words };
}
