import type { Settings } from '../settings/settings.ts';
import type { BackendName } from '../sources/dialects/dialects.ts';
import type { BackendSession } from './backend-session.ts';
import { openDatadogSession } from './datadog-session.ts';
import { openPrometheusSession } from './prometheus-session.ts';

/** How commands open each backend, by its name in src/sources/dialects/dialects.ts. */
export const sessions: Readonly<
  Record<BackendName, (settings: Settings, now: () => number) => BackendSession>
> = {
  datadog: openDatadogSession,
  prometheus: openPrometheusSession,
};
