import { setTimeout as sleep } from 'node:timers/promises';
import { type Kube, type KubeObject, kinds, type Loose } from './kube.ts';
import { waitFor } from './wait.ts';

/** A service that Argo Rollouts releases with Istio's traffic routing. */
export interface Service {
  namespace: string;
  name: string;
  /** The pods' label `version` and Datadog's version tag. */
  version: string;
  /** Canary steps, as Argo writes them. */
  steps: Loose[];
  /** Background analysis, as Argo writes it: templates, args, startingStep. */
  analysis?: Loose;
  /** Further labels of the Rollout itself, for `fieldRef`s. */
  labels?: Record<string, string>;
  /** Further fields of `strategy.canary`. */
  canary?: Loose;
  replicas?: number;
}

/** The part of a service that later calls need. */
export type Named = Pick<Service, 'namespace' | 'name'>;

/** The Rollout with its two Services and its VirtualService. */
export function serviceObjects(service: Service): KubeObject[] {
  const { namespace, name, version, steps, analysis, labels, canary, replicas = 2 } = service;
  const stableService = `${name}-stable`;
  const canaryService = `${name}-canary`;
  const backend = (host: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: host, namespace },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
  });
  const virtualService: KubeObject = {
    ...kinds.VirtualService,
    metadata: { name, namespace },
    spec: {
      hosts: [name],
      http: [
        {
          name: 'primary',
          route: [
            { destination: { host: stableService }, weight: 100 },
            { destination: { host: canaryService }, weight: 0 },
          ],
        },
      ],
    },
  };
  const rollout: KubeObject = {
    ...kinds.Rollout,
    metadata: { name, namespace, labels: { app: name, ...labels } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: podTemplate(name, version),
      strategy: {
        canary: {
          canaryService,
          stableService,
          trafficRouting: { istio: { virtualService: { name, routes: ['primary'] } } },
          steps,
          ...(analysis && { analysis }),
          ...canary,
        },
      },
    },
  };
  return [backend(stableService), backend(canaryService), virtualService, rollout];
}

function podTemplate(name: string, version: string): Loose {
  return {
    metadata: {
      labels: {
        app: name,
        version,
        'tags.datadoghq.com/service': name,
        'tags.datadoghq.com/version': version,
      },
    },
    spec: { containers: [{ name: 'app', image: `registry.example/${name}:${version}` }] },
  };
}

/** Applies the service and waits until its first version is released; Argo runs no analysis on a first deploy. */
export async function deployRollout(kube: Kube, service: Service): Promise<void> {
  await kube.apply(serviceObjects(service));
  await untilPhase(kube, service, 'Healthy');
}

/** Starts a release: changes only the pods' labels and image. */
export async function setVersion(kube: Kube, service: Named, version: string): Promise<void> {
  const template = podTemplate(service.name, version);
  await kube.patch(kinds.Rollout, service.namespace, service.name, { spec: { template } });
}

/** Starts a release of a generated Rollout: changes its image, and its pods' labels if a label has the version. */
export async function setImage(
  kube: Kube,
  { namespace, name }: Named,
  version: string,
  labels: Record<string, string> = {},
): Promise<void> {
  const image = `registry.example.com/${name}:${version}`;
  const pod = '/spec/template';
  const pointer = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');
  await kube.patch(kinds.Rollout, namespace, name, [
    { op: 'replace', path: `${pod}/spec/containers/0/image`, value: image },
    ...Object.entries(labels).map(([key, value]) => ({
      op: 'add',
      path: `${pod}/metadata/labels/${pointer(key)}`,
      value,
    })),
  ]);
}

/**
 * Ends a pause. After an inconclusive analysis step, Argo then measures the step again. There, `kubectl argo rollouts promote`
 * does more: it skips the step.
 */
export async function promoteRollout(kube: Kube, { namespace, name }: Named): Promise<void> {
  await kube.patch(kinds.Rollout, namespace, name, { status: { pauseConditions: null } }, 'status');
}

/** As `kubectl argo rollouts abort` does it; resolves when the controller has observed it. */
export async function abortRollout(kube: Kube, service: Named): Promise<void> {
  await setAbort(kube, service, true);
  await untilPhase(kube, service, 'Degraded');
}

/** As `kubectl argo rollouts retry rollout` does it; resolves when the old phase Degraded is gone. */
export async function retryRollout(kube: Kube, service: Named): Promise<void> {
  await setAbort(kube, service, false);
  await waitFor(() => rolloutPhase(kube, service), {
    what: `rollout ${service.name} to start over`,
    timeoutMs: 30_000,
    until: ({ phase, aborted }) => !aborted && phase !== 'Degraded',
  });
}

const setAbort = (kube: Kube, { namespace, name }: Named, abort: boolean) =>
  kube.patch(kinds.Rollout, namespace, name, { status: { abort } }, 'status');

export interface Phase {
  phase: string;
  message: string;
  aborted: boolean;
  /** Of the canary steps, counted from 0. */
  step: number | undefined;
  stableHash: string;
  canaryHash: string;
}

/** The Rollout's progress; `phase` is empty until the controller has observed the latest change of the spec. */
export async function rolloutPhase(kube: Kube, { namespace, name }: Named): Promise<Phase> {
  const { status = {}, metadata } = await kube.get(kinds.Rollout, namespace, name);
  const seen = status.observedGeneration === String(metadata.generation);
  return {
    phase: seen ? (status.phase ?? '') : '',
    message: status.message ?? '',
    aborted: status.abort === true,
    step: status.currentStepIndex,
    stableHash: status.stableRS ?? '',
    canaryHash: status.currentPodHash ?? '',
  };
}

export type PhaseName = 'Healthy' | 'Progressing' | 'Paused' | 'Degraded';

/** Waits for a phase; ignores Healthy and Degraded of the previous release right after a change. */
export async function untilPhase(
  kube: Kube,
  service: Named,
  phase: PhaseName,
  timeoutMs = 60_000,
): Promise<Phase> {
  return waitFor(() => rolloutPhase(kube, service), {
    what: `rollout ${service.name} to be ${phase}`,
    timeoutMs,
    until: (now) => now.phase === phase && (phase !== 'Healthy' || now.stableHash === now.canaryHash),
  });
}

/** The analysis runs that the Rollout made, oldest first. */
export async function analysisRuns(kube: Kube, { namespace, name }: Named): Promise<KubeObject[]> {
  const runs = await kube.list(kinds.AnalysisRun, namespace);
  const owned = runs.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.name === name));
  const age = (run: KubeObject) => `${run.metadata.creationTimestamp} ${run.metadata.name}`;
  return owned.sort((one, other) => age(one).localeCompare(age(other)));
}

export interface Measured {
  metric: string;
  phase: string;
  /** As stored: the canonical JSON text of what `jsonPath` selected. */
  value: string;
  message: string;
}

/** Every measurement that a run still has, at most ten for each metric, in the order in which they were taken. */
export function measurementValues(run: KubeObject, metric?: string): Measured[] {
  const results: Loose[] = run.status?.metricResults ?? [];
  return results
    .filter((result) => metric === undefined || result.name === metric)
    .flatMap((result) =>
      (result.measurements ?? []).map(({ phase, value = '', message = '' }: Loose) => ({
        metric: result.name,
        phase,
        value,
        message,
      })),
    );
}

/** The newest run of a type: a background analysis or an analysis step. */
export async function latestRun(
  kube: Kube,
  service: Named,
  type: 'Background' | 'Step',
): Promise<KubeObject | undefined> {
  const runs = await analysisRuns(kube, service);
  return runs.findLast((run) => run.metadata.labels?.['rollout-type'] === type);
}

/** The runs once all have ended: a background run is told to end only when the Rollout is Healthy. Oldest first. */
export async function endedRuns(kube: Kube, service: Named): Promise<KubeObject[]> {
  return waitFor(() => analysisRuns(kube, service), {
    what: `the analysis runs of ${service.name} to end`,
    // Twenty rollouts that end at once use up the controller's rate limit at the API server.
    timeoutMs: 60_000,
    until: (runs) => runs.every(({ status }) => !['', 'Pending', 'Running'].includes(status?.phase ?? '')),
    show: (runs) => runs.map(({ metadata, status }) => `${metadata.name} ${status?.phase}`).join(', '),
  });
}

/** A measurement and the run that it belongs to. */
export interface Followed extends Measured {
  run: string;
  /** RFC 3339, whole seconds. */
  startedAt: string;
}

/** Collects the measurements of all runs of a Rollout from now on: a run itself keeps only the last ten for each metric. */
export function followMeasurements(kube: Kube, service: Named): { seen: Followed[]; stop(): Promise<void> } {
  const seen: Followed[] = [];
  const known = new Set<string>();
  let stopped = false;
  const look = async () => {
    for (const run of await analysisRuns(kube, service).catch(() => [])) {
      for (const result of run.status?.metricResults ?? []) {
        for (const { phase, value = '', message = '', startedAt, finishedAt } of result.measurements ?? []) {
          const key = `${run.metadata.name} ${result.name} ${startedAt}`;
          if (!finishedAt || known.has(key)) continue;
          known.add(key);
          seen.push({ run: run.metadata.name, metric: result.name, phase, value, message, startedAt });
        }
      }
    }
  };
  const loop = async () => {
    while (!stopped) {
      await look();
      await sleep(500);
    }
    await look();
  };
  const ended = loop();
  return {
    seen,
    stop() {
      stopped = true;
      return ended;
    },
  };
}

/** The current weights of stable and canary in the VirtualService, in percent. */
export async function weights(
  kube: Kube,
  { namespace, name }: Named,
): Promise<[stable: number, canary: number]> {
  const { spec } = await kube.get(kinds.VirtualService, namespace, name);
  const [stable, canary] = spec.http[0].route;
  return [stable.weight ?? 0, canary.weight ?? 0];
}

/** Records every change of the weights as `75,25` until stopped; states shorter than 100 ms may be missed. */
export function recordWeights(kube: Kube, service: Named): { seen: string[]; stop(): Promise<void> } {
  const seen: string[] = [];
  let stopped = false;
  const look = async () => {
    const now = await weights(kube, service).then(String, () => undefined);
    if (now !== undefined && now !== seen.at(-1)) seen.push(now);
  };
  const loop = async () => {
    while (!stopped) {
      await look();
      await sleep(100);
    }
    // The caller may have seen a state that the last poll missed.
    await look();
  };
  const ended = loop();
  return {
    seen,
    stop() {
      stopped = true;
      return ended;
    },
  };
}

/** The state of the namespace for failure messages. */
export async function describeNamespace(kube: Kube, namespace: string): Promise<string> {
  const lines: string[] = [];
  for (const { metadata } of await kube.list(kinds.Rollout, namespace)) {
    const service = { namespace, name: metadata.name };
    const { phase, message, step } = await rolloutPhase(kube, service);
    const split = await weights(kube, service).then(String, () => 'no VirtualService');
    lines.push(
      `rollout ${metadata.name}: ${phase || 'not seen yet'} at step ${step ?? '-'}, weights ${split} ${message}`,
    );
  }
  for (const run of await kube.list(kinds.AnalysisRun, namespace)) {
    lines.push(
      `analysis run ${run.metadata.name}: ${run.status?.phase ?? 'no phase'} ${run.status?.message ?? ''}`,
    );
    for (const { metric, phase, value, message } of measurementValues(run).slice(-5)) {
      lines.push(`  ${metric}: ${phase} ${value} ${message}`);
    }
  }
  return lines.map((line) => line.trimEnd()).join('\n');
}
