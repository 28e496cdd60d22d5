import type { BackendDefinition } from '../../domain/ports/backend.ts';
import { datadogBackend } from '../datadog/backend.ts';
import { prometheusBackend } from '../prometheus/backend.ts';

/** All metrics backends by name, as CUJ_GATE_BACKEND and the sources of a registry write it: the only list of them. */
export const backends = {
  datadog: datadogBackend,
  prometheus: prometheusBackend,
} satisfies Record<string, BackendDefinition>;
