import type { BackendEvents } from '../../domain/ports/backend.ts';
import { prometheusDialect } from './query/dialect.ts';
import { type PrometheusSettings, prometheusRows, readPrometheusSettings } from './settings.ts';

/** Prometheus, as the list of backends has it. What talks to it is loaded when it is opened. */
export const prometheusBackend = {
  dialect: prometheusDialect,
  settingRows: prometheusRows,
  readSettings: readPrometheusSettings,
  async open(settings: PrometheusSettings, deadlineMs: number, events: BackendEvents) {
    const { openPrometheusBackend } = await import('./api/open-backend.ts');
    return openPrometheusBackend(settings, deadlineMs, events);
  },
  async openSession(settings: PrometheusSettings, now: () => number) {
    const { openPrometheusSession } = await import('./api/open-session.ts');
    return openPrometheusSession(settings, now);
  },
};
