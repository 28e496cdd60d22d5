import { createHash } from 'node:crypto';
import { Enums, Models, Serialize, SPDX, Spec } from '@cyclonedx/cyclonedx-library';
import type { BundledPackage, Contents } from './packages.ts';

/**
 * The bill of materials of a bundle, as CycloneDX 1.6 JSON. It is reproducible: it has no timestamp, and its serial number
 * is a hash of its content.
 */
export function sbomText(own: { name: string; version: string }, { packages, ownImports }: Contents): string {
  const components = new Map(packages.map((one) => [`${one.name}@${one.version}`, componentOf(one)]));
  const link = (component: Models.Component, imports: readonly string[]) => {
    for (const id of imports) component.dependencies.add((components.get(id) as Models.Component).bomRef);
  };
  for (const { name, version, imports } of packages) {
    link(components.get(`${name}@${version}`) as Models.Component, imports);
  }
  const product = new Models.Component(Enums.ComponentType.Application, own.name, {
    version: own.version,
    purl: purlOf(own.name, own.version),
    bomRef: `${own.name}@${own.version}`,
  });
  link(product, ownImports);
  const bom = new Models.Bom({
    metadata: new Models.Metadata({ component: product }),
    components: new Models.ComponentRepository(components.values()),
    serialNumber: serialOf([purlOf(own.name, own.version), ...packages.map((one) => one.integrity)]),
  });
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

function componentOf({ name, version, licence, integrity }: BundledPackage): Models.Component {
  const [, group, short] = /^(?:(@[^/]+)\/)?(.+)$/.exec(name) ?? [];
  const hash = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
  return new Models.Component(Enums.ComponentType.Library, short ?? name, {
    ...(group !== undefined && { group }),
    version,
    purl: purlOf(name, version),
    bomRef: `${name}@${version}`,
    licenses: new Models.LicenseRepository([licenceOf(licence)]),
    hashes: new Models.HashDictionary([[Enums.HashAlgorithm['SHA-512'], hash]]),
  });
}

function licenceOf(licence: string): Models.License {
  const id = SPDX.fixupSpdxId(licence);
  return id === undefined ? new Models.LicenseExpression(licence) : new Models.SpdxLicense(id);
}

/** github.com/package-url/purl-spec: the scope's @ is percent-encoded. */
function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`;
}

/** RFC 9562, version 8: a UUID of one's own making. */
function serialOf(parts: readonly string[]): string {
  const hex = createHash('sha256').update(parts.join('\n')).digest('hex');
  const uuid = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return `urn:uuid:${uuid.join('-')}`;
}
