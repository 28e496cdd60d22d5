import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Registry as MetricsRegistry } from 'prom-client';
import type { VerdictHistory } from '../../src/domain/ports/verdict-history.ts';
import { FolderStore } from '../../src/verdict-history/folder-store.ts';
import { createVerdictHistory } from '../../src/verdict-history/history.ts';
import { createHistoryMetrics } from '../../src/verdict-history/metrics.ts';

/** A history in a folder of its own, by a clock of the test (epoch ms). `end` closes it and removes the folder. */
export function keptHistory(now: () => number): { history: VerdictHistory; end: () => Promise<void> } {
  const folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-history-'));
  const store = new FolderStore({ folder, maxBytes: 1e6, maxAgeMs: 1e10, now });
  const history = createVerdictHistory({
    now,
    logger: { warn: () => {} },
    changes: { store, metrics: createHistoryMetrics(new MetricsRegistry()) },
  });
  return {
    history,
    async end() {
      await history.close();
      rmSync(folder, { recursive: true });
    },
  };
}
