import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { DoctorFinding } from './finding.ts';

/** Whether all stores answer that the backend asks for samples. */
export function checkStores({ stores: facts }: BackendFacts): DoctorFinding[] {
  if (facts === undefined) return [];
  const { askedBy: about, unreadable, stores } = facts;
  if (unreadable !== undefined) {
    return [
      {
        severity: 'warning',
        check: 'stores-unreadable',
        about,
        message: `if this is ${about}, its list of stores cannot be read: ${unreadable}`,
        verdict:
          'Samples of a store that does not answer are missing without a warning: where failures of a canary are in it, a broken canary passes.',
        fix: 'Let the gate read this path: check the proxy in between and its rules. Or start Thanos Query with --endpoint-strict for each store. If it is not Thanos, do nothing.',
      },
    ];
  }
  const failing = stores.filter(({ error }) => error !== undefined);
  if (failing.length === 0) {
    return [
      {
        severity: 'info',
        check: 'stores-answer',
        about,
        message: `${stores.length} ${stores.length === 1 ? 'store, which answers' : 'stores, all answer'}`,
        verdict: 'None.',
        fix: 'Compare the number with your stores: one that has not answered since the start of Thanos Query is not listed.',
      },
    ];
  }
  return failing.map(({ name, error, isRecent }) => ({
    severity: isRecent ? 'error' : 'warning',
    check: 'store-missing',
    about,
    message: `the store ${name} does not answer: ${error}`,
    verdict: isRecent
      ? 'Inconclusive (source_unavailable) of every service that could have samples in it.'
      : 'None: it has no samples that a verdict reads. SLOs and plan may lack old ones.',
    fix: 'Check the store, and the network from Thanos Query to it. If it is gone for good, remove it from the endpoints of Thanos Query.',
  }));
}
