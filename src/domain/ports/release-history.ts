/** A version of a service that had traffic, by the backend's account. */
export interface SeenVersion {
  readonly version: string;
  /** Epoch ms: the begin of the first hour with a request in the span. */
  readonly firstMs: number;
  /** Epoch ms: the end of the last hour with one. */
  readonly lastMs: number;
  readonly requests: number;
  /** It had requests in the first hour of the span, so it was probably released before. */
  readonly isOlder: boolean;
}

export interface VersionsOfService {
  readonly service: string;
  /** Newest first. */
  readonly versions: readonly SeenVersion[];
  /** The parameter of a question that stands for the version; undefined where the selector is not a single one. */
  readonly param: string | undefined;
  /** Why its versions are not known, for people; a sentence without its full stop. */
  readonly unknown?: string;
}

/** The versions of some services in a span, epoch ms. One call for each batch of services. Throws SourceError. */
export type ReadVersions = (
  services: readonly string[],
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
) => Promise<readonly VersionsOfService[]>;
