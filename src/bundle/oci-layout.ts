import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipped, tarOf } from './archive.ts';
import { execForm, stages } from './dockerfile.ts';

export interface ImageDescription {
  /** The checkout whose Dockerfile describes the image. */
  readonly root: string;
  /** What the last stage copies: a folder that stands for `/`. */
  readonly files: string;
  readonly version: string;
  /** The commit, or `unknown`. */
  readonly revision: string;
  readonly epochSeconds: number;
}

/** Of the image of every processor: the layer is the same for all of them. */
const processors = ['amd64', 'arm64'];

/** What makes an image of this layout alone incomplete. */
export const withoutBase = 'org.cuj-gate.layers-of-the-base';

/**
 * Writes what the last stage of the Dockerfile adds to its base as an OCI image layout: one layer, and the configuration. The
 * layers of the base are not included: annotations name it, with its digest.
 */
export async function writeOciLayout(target: string, image: ImageDescription): Promise<void> {
  const { root, version, epochSeconds } = image;
  const blobs = path.join(target, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const blob = async (content: Buffer | string) => {
    const hex = sha256(content);
    await writeFile(path.join(blobs, hex), content);
    return { digest: `sha256:${hex}`, size: Buffer.byteLength(content) };
  };
  const base = baseOf(root);
  const tar = await tarOf(image.files, epochSeconds);
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    ...(await blob(await gzipped(tar))),
  };
  const created = new Date(epochSeconds * 1_000).toISOString();
  const annotations = {
    'org.opencontainers.image.created': created,
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.revision': image.revision,
    'org.opencontainers.image.base.name': base.name,
    'org.opencontainers.image.base.digest': base.digest,
    [withoutBase]: 'not included: put the layer of this image on top of those of the base',
  };
  const manifests = [];
  for (const architecture of processors) {
    const config = {
      ...{ created, architecture, os: 'linux', config: configOf(image) },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] },
      history: [{ created, created_by: 'COPY of the last stage of the Dockerfile' }],
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await blob(json(config))) },
      layers: [layer],
      annotations,
    };
    manifests.push({
      mediaType: manifest.mediaType,
      ...(await blob(json(manifest))),
      platform: { architecture, os: 'linux' },
      annotations: { 'org.opencontainers.image.ref.name': version },
    });
  }
  await writeFile(path.join(target, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests,
    annotations,
  };
  await writeFile(path.join(target, 'index.json'), json(index));
}

const sha256 = (content: Buffer | string) => createHash('sha256').update(content).digest('hex');
const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

/** The image that the last stage begins with. */
export function baseOf(root: string): { name: string; digest: string } {
  const runtime = (stages(root)[0] ?? []).find(
    ({ name, text }) => name === 'ARG' && text.startsWith('RUNTIME='),
  );
  const [, name, digest] = /^RUNTIME=(.+)@(sha256:[0-9a-f]{64})$/.exec(runtime?.text ?? '') ?? [];
  if (name === undefined || digest === undefined)
    throw new Error('The Dockerfile has no ARG RUNTIME with a digest.');
  return { name, digest };
}

/** What the last stage says of how the image runs. */
function configOf({ root, version, revision }: ImageDescription) {
  const final = stages(root).at(-1) ?? [];
  const all = (wanted: string) => final.filter(({ name }) => name === wanted).map(({ text }) => text);
  const variables: Record<string, string> = { VERSION: version, REVISION: revision, SOURCE: '' };
  const expanded = (text: string) =>
    text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => variables[name] ?? '');
  return {
    User: all('USER')[0],
    ExposedPorts: Object.fromEntries(all('EXPOSE').map((port) => [`${port}/tcp`, {}])),
    Env: all('ENV'),
    Entrypoint: execForm(root, 'ENTRYPOINT'),
    Cmd: execForm(root, 'CMD'),
    WorkingDir: all('WORKDIR')[0],
    Labels: Object.fromEntries(
      all('LABEL').flatMap((text) =>
        [...text.matchAll(/([\w.]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, expanded(value)]),
      ),
    ),
  };
}
