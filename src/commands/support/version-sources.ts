import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Registry } from '../../domain/registry/model.ts';
import type { ValueSource } from '../../generate/argo/canary-args.ts';
import { serviceObjectName } from '../../generate/argo/kubernetes-metadata.ts';
import { GenerateError } from '../../generate/output/generated-file.ts';
import type { LintInput } from '../../lint/finding.ts';
import { type RolloutVersion, versionsOfRollouts } from '../../lint/version-source.ts';

/**
 * Where each service has its version, as its Rollout in some files or folders says. Throws GenerateError where a path cannot be
 * read, where no Rollout belongs to a service of the registry, or where the version of one cannot be passed by Argo Rollouts.
 */
export async function versionSources(
  registry: Registry,
  paths: readonly string[],
  note: (text: string) => void,
): Promise<ReadonlyMap<string, ValueSource>> {
  const inputs = (await Promise.all(paths.map(readManifests))).flat();
  const { versions, unreadable } = versionsOfRollouts(inputs);
  for (const place of unreadable) note(`warning: ${place}. This document was left out.`);
  const sources = new Map<string, ValueSource>();
  const from = new Map<string, RolloutVersion>();
  for (const version of versions) {
    const { rollout, source, reason, fix } = version;
    const at = `${version.file}:${version.line}`;
    const service = serviceOf(registry, version);
    if (service === undefined) {
      note(`note: ${at}: Rollout "${rollout}" belongs to no service of the registry and was left out.`);
      continue;
    }
    if (source === undefined) {
      throw new GenerateError(
        `${at}: the version of Rollout "${rollout}" cannot be passed to the gate: ${reason}.`,
        `${fix} Or give --version-from instead of --rollouts.`,
      );
    }
    const value: ValueSource =
      source.of === 'hash' ? { kind: 'pod-template-hash', of: 'Latest' } : { kind: 'label', key: source.key };
    const other = from.get(service);
    if (other !== undefined && JSON.stringify(sources.get(service)) !== JSON.stringify(value)) {
      throw new GenerateError(
        `${at}: Rollout "${rollout}" of ${service} has its version elsewhere than Rollout "${other.rollout}" (${other.file}:${other.line}): ${reason}.`,
        'Keep it in the same place in all Rollouts of a service.',
      );
    }
    sources.set(service, value);
    from.set(service, version);
    note(`${service}: version from ${wordsOf(value)} (${at}: ${reason})`);
  }
  if (sources.size === 0) {
    throw new GenerateError(
      `No Rollout of a service of the registry is in ${paths.join(', ')}.`,
      'A Rollout belongs to the service that DD_SERVICE or the label tags.datadoghq.com/service names, or that has its name.',
    );
  }
  return sources;
}

/** What people have to know of a source is said where it is chosen. */
function wordsOf(source: ValueSource): string {
  return source.kind === 'label'
    ? `the label ${source.key}; change it with every release, also where only configuration changes`
    : 'the pod template hash';
}

function serviceOf(registry: Registry, { services }: RolloutVersion): string | undefined {
  const names = [...registry.services.keys()];
  return services
    .map((wanted) => names.find((name) => name === wanted || serviceObjectName(name) === wanted))
    .find((name) => name !== undefined);
}

async function readManifests(given: string): Promise<LintInput[]> {
  try {
    if (!(await stat(given)).isDirectory()) return [{ file: given, text: await readFile(given, 'utf8') }];
    const names = await readdir(given, { recursive: true });
    const files = names.filter((name) => /\.ya?ml$/.test(name)).sort();
    return await Promise.all(
      files.map(async (name) => {
        const file = path.join(given, name);
        return { file, text: await readFile(file, 'utf8') };
      }),
    );
  } catch (error) {
    throw new GenerateError(
      `${given} cannot be read: ${(error as Error).message}.`,
      'Give the file or folder of your Rollouts to --rollouts.',
    );
  }
}
