import type { Service } from '../registry/model.ts';
import type { Selector } from '../registry/selector.ts';
import type { Failure } from '../sli/failure.ts';

/** A page of the backend, for people. */
export interface SourceLink {
  /** What is there: `Failing traces`. */
  readonly label: string;
  readonly url: string;
}

/** What a link is about. */
export interface LinkSubject {
  readonly service: Service;
  readonly canary: Selector;
  /** The backend's key of one endpoint; undefined or `*`: the whole service. */
  readonly resource?: string;
  /** Which requests fail; undefined: 5XX. */
  readonly failure?: Failure | undefined;
  /** Epoch ms. */
  readonly fromMs: number;
  /** Epoch ms, exclusive. */
  readonly toMs: number;
}

/** Pages of the backend about exactly this service, canary, endpoint and span; empty where it has none. */
export type SourceLinks = (subject: LinkSubject) => readonly SourceLink[];
