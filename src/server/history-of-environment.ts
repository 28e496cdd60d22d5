import type { AskedAbout, VerdictHistory } from '../domain/ports/verdict-history.ts';

/** The history of one environment: what is noted has its name, and nothing of others is read. */
export function ofEnvironment(history: VerdictHistory, environment: string): VerdictHistory {
  const named = (about: AskedAbout): AskedAbout => ({ ...about, environment });
  return {
    keepsChanges: history.keepsChanges,
    given: (entry) => history.given({ ...entry, about: named(entry.about) }),
    async inProgress() {
      const read = await history.inProgress();
      return read.available
        ? { available: true, value: read.value.filter(({ about }) => about.environment === environment) }
        : read;
    },
    looksOf: (about) => history.looksOf(named(about)),
    givenAt: (about, atMs) => history.givenAt(named(about), atMs),
    changes: (query) => history.changes({ ...query, environment }),
    close: () => history.close(),
  };
}
