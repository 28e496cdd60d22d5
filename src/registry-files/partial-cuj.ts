import type { ValidateFunction } from 'ajv';
import type { Finding } from '../domain/registry/findings.ts';
import type { AnyCujDocument } from '../domain/registry/schema.ts';

/**
 * A CUJ without the parts that violate the schema, so that the rest can be checked and all problems are reported at once.
 * Placeholders for removed parts cause no problems. Undefined where the rest is not a CUJ. The result is used only for
 * checks: a registry with a finding is never used.
 */
export function partialCujOf(
  cuj: unknown,
  findings: readonly Finding[],
  validate: ValidateFunction,
): AnyCujDocument | undefined {
  if (typeof cuj !== 'object' || cuj === null) return undefined;
  const partial = structuredClone(cuj) as Record<string, unknown>;
  for (const { path } of findings) {
    const [key, second] = path.slice(2);
    if (key === undefined || typeof key !== 'string') continue;
    // The rest cannot be checked without these.
    if (key === 'name' || key === 'service') return undefined;
    if (key === 'endpoints' && typeof second === 'number' && Array.isArray(partial.endpoints)) {
      partial.endpoints[second] = placeholder(partial.endpoints[second], second);
    } else if (key === 'endpoints') {
      return undefined;
    } else if (key === 'latencyMs') {
      partial.latencyMs = 1;
    } else if (key === 'retired') {
      partial.retired = '-';
    } else if (key === 'owner') {
      partial.owner = '-';
    } else if (typeof second === 'string' && isMapping(partial[key])) {
      delete partial[key][second];
      // What was removed may stand for its views or actions.
      if (key === 'client') partial[key].views ??= ['unreadable-view'];
    } else {
      delete partial[key];
    }
  }
  partial.owner ??= '-';
  return validate(partial) ? (partial as AnyCujDocument) : undefined;
}

/** A unique endpoint, with a threshold if the invalid one had one. */
function placeholder(endpoint: unknown, index: number): unknown {
  const path = `/unreadable-endpoint-${index}`;
  const timed = isMapping(endpoint) && 'latencyMs' in endpoint;
  return timed ? { method: 'GET', path, latencyMs: 1 } : `GET ${path}`;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
