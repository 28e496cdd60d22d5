import { Agent, request } from 'undici';
import { parseAllDocuments } from 'yaml';

/** A Kubernetes object, loosely typed: a scenario knows the members that it reads. */
// biome-ignore lint/suspicious/noExplicitAny: custom resources have no types here, and spelling them out would prove nothing
export type Loose = any;

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    creationTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { kind: string; name: string; uid: string }[];
  };
  spec?: Loose;
  status?: Loose;
  [field: string]: Loose;
}

/** A kind of object, such as `Rollout` of `argoproj.io/v1alpha1`. */
export interface Kind {
  apiVersion: string;
  kind: string;
}

export const kinds = {
  Namespace: { apiVersion: 'v1', kind: 'Namespace' },
  Secret: { apiVersion: 'v1', kind: 'Secret' },
  Event: { apiVersion: 'v1', kind: 'Event' },
  ReplicaSet: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  CustomResourceDefinition: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  Rollout: { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout' },
  AnalysisRun: { apiVersion: 'argoproj.io/v1alpha1', kind: 'AnalysisRun' },
  AnalysisTemplate: { apiVersion: 'argoproj.io/v1alpha1', kind: 'AnalysisTemplate' },
  Experiment: { apiVersion: 'argoproj.io/v1alpha1', kind: 'Experiment' },
  VirtualService: { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService' },
} as const satisfies Record<string, Kind>;

/** The API server refused; `reason` and `code` are Kubernetes' own. */
export class KubeError extends Error {
  readonly code: number;
  readonly reason: string;
  constructor(what: string, code: number, status: { reason?: string; message?: string }) {
    super(`${what}: ${code} ${status.reason ?? ''} ${status.message ?? ''}`.trimEnd());
    this.code = code;
    this.reason = status.reason ?? '';
  }
}

interface Resource {
  name: string;
  kind: string;
  namespaced: boolean;
}

export interface ApplyOptions {
  /** The namespace of objects that name none and are not cluster-wide. */
  namespace?: string;
  /** A dry run: the API server checks the request and stores nothing. */
  dryRun?: boolean;
}

const fieldManager = 'cuj-gate-e2e';

export class Kube {
  readonly url: string;
  #token: string;
  #agent: Agent;
  #resources = new Map<string, Promise<Resource[]>>();

  constructor(url: string, token: string, ca: string) {
    this.url = url;
    this.#token = token;
    this.#agent = new Agent({ connect: { ca }, headersTimeout: 30_000, bodyTimeout: 30_000 });
  }

  /** Server-side apply of one object, several, or YAML with any number of documents. */
  async apply(
    manifest: string | KubeObject | KubeObject[],
    options: ApplyOptions = {},
  ): Promise<KubeObject[]> {
    const applied: KubeObject[] = [];
    for (const object of objectsOf(manifest)) {
      const path = await this.#path(
        object,
        object.metadata.namespace ?? options.namespace,
        object.metadata.name,
      );
      const query = `?fieldManager=${fieldManager}&force=true${options.dryRun ? '&dryRun=All' : ''}`;
      applied.push(await this.#send('PATCH', path + query, object, 'application/apply-patch+yaml'));
    }
    return applied;
  }

  async create(object: KubeObject, namespace?: string): Promise<KubeObject> {
    const path = await this.#path(object, object.metadata.namespace ?? namespace);
    return this.#send('POST', `${path}?fieldManager=${fieldManager}`, object);
  }

  async get(kind: Kind, namespace: string | undefined, name: string): Promise<KubeObject> {
    return this.#send('GET', await this.#path(kind, namespace, name));
  }

  /** Without a namespace: the objects of all namespaces. */
  async list(kind: Kind, namespace?: string, labelSelector?: string): Promise<KubeObject[]> {
    const query = labelSelector ? `?labelSelector=${encodeURIComponent(labelSelector)}` : '';
    const { items } = await this.#send('GET', (await this.#path(kind, namespace)) + query);
    // Items of a list do not carry their own kind.
    return (items as KubeObject[]).map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }));
  }

  /** A JSON merge patch; an array as patch is a JSON patch. */
  async patch(
    kind: Kind,
    namespace: string | undefined,
    name: string,
    patch: object,
    subresource?: 'status',
  ) {
    const path = await this.#path(kind, namespace, name);
    const type = Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json';
    return this.#send('PATCH', subresource ? `${path}/${subresource}` : path, patch, type);
  }

  async delete(kind: Kind, namespace: string | undefined, name: string): Promise<void> {
    await this.#send('DELETE', await this.#path(kind, namespace, name));
  }

  async deleteAll(kind: Kind, namespace: string): Promise<void> {
    await this.#send('DELETE', await this.#path(kind, namespace));
  }

  /** `/readyz` and its like: true on 200. */
  async healthy(path: string): Promise<boolean> {
    const { statusCode, body } = await this.#request('GET', path);
    await body.dump();
    return statusCode === 200;
  }

  /** Whether the API server serves this kind already; not cached. */
  async serves(kind: Kind): Promise<boolean> {
    this.#resources.delete(kind.apiVersion);
    return (await this.#discover(kind.apiVersion)).some((resource) => resource.kind === kind.kind);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #path(kind: Kind, namespace?: string, name?: string): Promise<string> {
    let resource = (await this.#discover(kind.apiVersion)).find((one) => one.kind === kind.kind);
    if (!resource && (await this.serves(kind))) {
      resource = (await this.#discover(kind.apiVersion)).find((one) => one.kind === kind.kind);
    }
    if (!resource)
      throw new Error(
        `the API server serves no ${kind.kind} in ${kind.apiVersion}: is its definition installed?`,
      );
    const scope = resource.namespaced && namespace ? `/namespaces/${namespace}` : '';
    if (resource.namespaced && name && !namespace) throw new Error(`${kind.kind} ${name} needs a namespace`);
    return `${groupPath(kind.apiVersion)}${scope}/${resource.name}${name ? `/${name}` : ''}`;
  }

  #discover(apiVersion: string): Promise<Resource[]> {
    let found = this.#resources.get(apiVersion);
    if (!found) {
      found = this.#send('GET', groupPath(apiVersion)).then(
        ({ resources }) => (resources as Resource[]).filter(({ name }) => !name.includes('/')),
        (error: unknown) => {
          this.#resources.delete(apiVersion);
          if (error instanceof KubeError && error.code === 404) return [];
          throw error;
        },
      );
      this.#resources.set(apiVersion, found);
    }
    return found;
  }

  async #send(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    type = 'application/json',
  ) {
    const response = await this.#request(method, path, body, type);
    const text = await response.body.text();
    const answer = text.startsWith('{') ? JSON.parse(text) : { message: text };
    if (response.statusCode >= 300) throw new KubeError(`${method} ${path}`, response.statusCode, answer);
    return answer as KubeObject;
  }

  #request(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    type = 'application/json',
  ) {
    return request(this.url + path, {
      method,
      dispatcher: this.#agent,
      headers: {
        authorization: `Bearer ${this.#token}`,
        accept: 'application/json',
        ...(body && { 'content-type': type }),
      },
      // JSON is YAML: apply patches may be sent as either.
      body: body ? JSON.stringify(body) : null,
    });
  }
}

const groupPath = (apiVersion: string) =>
  apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;

/** The objects of a manifest; empty documents are dropped, `List`s opened. */
export function objectsOf(manifest: string | KubeObject | KubeObject[]): KubeObject[] {
  if (typeof manifest !== 'string') return Array.isArray(manifest) ? manifest : [manifest];
  return [...parseAllDocuments(manifest)].flatMap((document, index) => {
    const problem = document.errors[0];
    if (problem) throw new Error(`document ${index + 1} of the manifest is not YAML: ${problem.message}`);
    const object = document.toJS() as KubeObject | null;
    if (!object) return [];
    return object.kind === 'List' ? (object.items as KubeObject[]) : [object];
  });
}
