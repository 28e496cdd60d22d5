import type { Failure } from '../sli/failure.ts';
import type { SourceDocument } from './schema.ts';

/**
 * What a metrics backend brings to the registry: how it reads the registry's sources, what it stores for a tag value and
 * for an endpoint, and what its queries can hold. The registry is resolved with it, so that what is asked for later is
 * what is stored.
 */
export interface SourceDialect extends BackendWords {
  /** Reads an entry of `sources:`. Every field that is wrong is reported, with its first mistake. */
  readonly parseSource: (name: string, document: SourceDocument) => ParsedSource;
  readonly isTagKey: (key: string) => boolean;
  /** The characters of a tag key, in messages: `a-z 0-9 _ . / -`. */
  readonly tagKeyCharacters: string;
  /** What the backend stores for a tag value; the empty string where it keeps nothing of it. */
  readonly storedTagValue: (raw: string) => string;
  /** Whether a text may enter a query as it stands. */
  readonly isSafeTagValue: (value: string) => boolean;
  /** The characters of a tag value that may enter a query, in messages: `a-z 0-9 _ - : . /`. */
  readonly tagValueCharacters: string;
  /** Longer tag values are not stored whole, in characters. */
  readonly maxTagValueLength: number;
  /** The tag by which endpoints are told apart, in messages: `resource_name`. */
  readonly endpointTag: string;
  /** The value of that tag for a route: the key by which counts of an endpoint are found. */
  readonly endpointKey: (method: string, path: string) => string;
  /** A list of endpoints with more characters than this does not fit into one filter. */
  readonly maxEndpointListLength: number;
  /** So many services are measured in one call at most. Absent: as many as a batch may have. */
  readonly maxBatchServices?: number;
  /** Whether its answers say how many calls its rate limit leaves. */
  readonly tellsCallsLeft?: true;
  /** Whether it counts what happens on clients: services with an `application`. */
  readonly countsClients?: true;
  /** Whether it makes metrics of the spans of a service: the source `spans`. */
  readonly countsSpans?: true;
  /** What to do where latency is asked of a source without durations. Absent: its sources never have any. */
  readonly addDurations?: string;
  /**
   * Why a source cannot tell failures by a definition of the registry, in place of its own; undefined where it can. Pure. Absent: its sources
   * always say themselves which events are bad.
   */
  readonly failureProblem?: (
    source: Source,
    failure: Failure,
  ) => Pick<SourceProblem, 'message' | 'fix'> | undefined;
  /** How long the backend keeps counts, in ms: older moments cannot be asked about. */
  readonly retentionMs: number;
  /** Other products with its API, in lower-case letters: people write them for it. */
  readonly otherProducts?: readonly string[];
  /** Mistakes that the text of a service shows and that nothing refuses, because none is certain. Pure. */
  readonly likelyMistakes?: (service: ServiceAsWritten) => readonly LikelyMistake[];
  /** What is likely wrong with a threshold, in ms, of a service with this source; undefined where nothing is. Pure. */
  readonly thresholdMistake?: (
    source: Source,
    latencyMs: number,
  ) => Pick<LikelyMistake, 'message' | 'fix'> | undefined;
  /** Which status the requests of an operation carry; undefined where that is not known. */
  readonly statusOf?: (operation: string) => 'http' | 'grpc' | 'none' | undefined;
  /** How the framework of an operation writes a parameter of a route; undefined where that is not known. */
  readonly routeParameters?: (operation: string) => 'braces' | 'colons' | 'brackets' | undefined;
}

/** What the registry says of a service: the operation, and the tag keys of its selectors. */
export interface ServiceAsWritten {
  /** As that of the service. */
  readonly source: string;
  readonly operation: string | undefined;
  readonly canary: readonly string[];
  readonly stable: readonly string[];
}

/** Something that the backend most likely does not have. */
export interface LikelyMistake {
  readonly field: keyof ServiceAsWritten;
  /** Kebab-case and stable. */
  readonly rule: string;
  readonly message: string;
  readonly fix: string;
  /** What the backend has in place of it: requests without a status, another operation, no such tag. */
  readonly actual:
    | {
        readonly kind: 'no-status';
        /** Its protocol has failures of its own, which the registry may count. */
        readonly ofProtocol?: true;
      }
    | { readonly kind: 'operation'; readonly operation: string }
    | { readonly kind: 'no-tag'; readonly key: string };
}

/** What people know a backend by. Plain data: a verdict's record holds it. */
export interface BackendWords {
  /** The backend's name in messages: `Prometheus`. */
  readonly backend: string;
  /** What gives a pod's requests their version, in hints: `the label app_version`. */
  readonly versionTag: string;
  /** The setting with the backend's address, where a proxy may be named: `PROMETHEUS_URL`. */
  readonly addressSetting: string;
  /** Where the usual words do not fit: {@link usualWords} of own-words.ts. Absent in records of earlier versions. */
  readonly words?: Partial<OwnWords>;
}

/** Words of a backend in messages and hints. */
export interface OwnWords {
  /** What traffic is told apart by: `label`, and several of them: `labels`. */
  readonly tag: string;
  readonly tags: string;
  /** The name of such a thing: `label name`. */
  readonly tagKey: string;
  /** What has it: `series`. */
  readonly tagged: string;
  /** What env of a service is, as `env, …`. */
  readonly env: string;
  /** By what the registry finds the traffic of a service: `check …`. */
  readonly foundBy: string;
  /** Where to look when data has stopped: `Check …`. */
  readonly dataFrom: string;
  /** What shows the name of an endpoint: `against …`. */
  readonly namedIn: string;
  /** By what an event is of an endpoint: `Failures need …`. */
  readonly endpointBy: string;
  /** What to do where requests carry no status. */
  readonly statusFix: string;
}

/** An entry of `sources:` as its backend understands it. What else it holds is the backend's own. */
export interface Source {
  readonly name: string;
  /** The tag that tells endpoints apart; without it only the whole service can be judged. */
  readonly groupBy: string | undefined;
  /** Whether it says how long events took, so that latency can be judged. */
  readonly hasDurations?: true;
}

/** What is wrong with one field of a source. */
export interface SourceProblem {
  readonly field: keyof SourceDocument;
  readonly message: string;
  readonly fix: string;
}

export type ParsedSource =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };
