import type { BackendEvents } from '../../domain/ports/backend.ts';
import { datadogDialect } from './query/dialect.ts';
import { type DatadogSettings, datadogRows, readDatadogSettings } from './settings.ts';

/** Datadog, as the list of backends has it. What talks to it is loaded when it is opened. */
export const datadogBackend = {
  dialect: datadogDialect,
  settingRows: datadogRows,
  readSettings: readDatadogSettings,
  async open(settings: DatadogSettings, deadlineMs: number, events: BackendEvents) {
    const { openDatadogBackend } = await import('./api/open-backend.ts');
    return openDatadogBackend(settings, deadlineMs, events);
  },
  async openSession(settings: DatadogSettings, now: () => number) {
    const { openDatadogSession } = await import('./api/open-session.ts');
    return openDatadogSession(settings, now);
  },
};
