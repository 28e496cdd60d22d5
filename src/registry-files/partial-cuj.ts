import type { ValidateFunction } from 'ajv';
import type { Finding } from '../domain/registry/findings.ts';
import type { CujDocument } from '../domain/registry/schema.ts';

/**
 * A CUJ without the parts that did not pass the schema, so that everything else about it can still be checked and all
 * problems are told at once. What stands in for a removed part raises no complaint of its own. Undefined where what is
 * left is no CUJ. The result is for checking only: a registry with a finding never comes into force.
 */
export function partialCujOf(
  cuj: unknown,
  findings: readonly Finding[],
  validate: ValidateFunction,
): CujDocument | undefined {
  if (typeof cuj !== 'object' || cuj === null) return undefined;
  const mended = structuredClone(cuj) as Record<string, unknown>;
  for (const { path } of findings) {
    const [key, second] = path.slice(2);
    if (key === undefined || typeof key !== 'string') continue;
    // Without these nothing can be looked up.
    if (key === 'name' || key === 'service') return undefined;
    if (key === 'endpoints' && typeof second === 'number' && Array.isArray(mended.endpoints)) {
      mended.endpoints[second] = placeholder(mended.endpoints[second], second);
    } else if (key === 'endpoints') {
      return undefined;
    } else if (key === 'latencyMs') {
      mended.latencyMs = 1;
    } else if (key === 'owner') {
      mended.owner = '-';
    } else if (typeof second === 'string' && isMapping(mended[key])) {
      delete mended[key][second];
    } else {
      delete mended[key];
    }
  }
  mended.owner ??= '-';
  return validate(mended) ? (mended as CujDocument) : undefined;
}

/** An endpoint that is like no other and has a threshold where the unreadable one had. */
function placeholder(endpoint: unknown, index: number): unknown {
  const path = `/unreadable-endpoint-${index}`;
  const timed = isMapping(endpoint) && 'latencyMs' in endpoint;
  return timed ? { method: 'GET', path, latencyMs: 1 } : `GET ${path}`;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
