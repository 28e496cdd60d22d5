import type { BackendName } from '../sources/dialects/dialects.ts';
import type { OpenBackend } from './backend.ts';
import { openDatadogBackend } from './datadog-backend.ts';
import { openPrometheusBackend } from './prometheus-backend.ts';

/** How each backend is opened, by its name in src/sources/dialects/dialects.ts. */
export const backends: Readonly<Record<BackendName, OpenBackend>> = {
  datadog: openDatadogBackend,
  prometheus: openPrometheusBackend,
};
