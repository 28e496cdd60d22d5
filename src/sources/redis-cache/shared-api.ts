import { createHash } from 'node:crypto';
import type { JsonApi } from '../../domain/ports/json-api.ts';
import type { SharedAnswers } from './shared-cache.ts';

/** A JsonApi that asks what no other replica has asked within `ttlMs`. Throws what the inner one throws. */
export function createSharedApi(
  inner: JsonApi,
  answers: SharedAnswers,
  options: { readonly ttlMs: number },
): JsonApi {
  const never = new AbortController().signal;
  const once = (content: unknown, ask: () => Promise<unknown>, signal: AbortSignal = never) =>
    answers.once<unknown>(
      {
        name: `json:${createHash('sha256').update(JSON.stringify(content)).digest('base64url')}`,
        ttlMs: options.ttlMs,
        ask,
        write: (answer) => answer,
        read: (value) => value,
      },
      signal,
    );
  return {
    getJson: (path, query = {}, signal) =>
      once(['GET', path, query], () => inner.getJson(path, query, signal), signal),
    postJson: (path, body, signal) =>
      once(['POST', path, body], () => inner.postJson(path, body, signal), signal),
  };
}
