import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/**
 * An npm registry on loopback with the packages that a checkout has installed for production, and nothing else: what npm
 * resolves there is what the checkout was tested with, and no network is needed.
 */
export async function startNpmRegistry(root: string): Promise<{ url: string; stop(): Promise<void> }> {
  const folders = new Map<string, string>();
  const versions = new Map<string, Manifest[]>();
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  for (const [place, { dev, devOptional }] of Object.entries<Record<string, boolean>>(lock.packages)) {
    const folder = path.join(root, place);
    if (place === '' || dev || devOptional || !existsSync(folder)) continue;
    const manifest: Manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    folders.set(`${manifest.name}@${manifest.version}`, folder);
    versions.set(manifest.name, [...(versions.get(manifest.name) ?? []), manifest]);
  }
  const server = createServer(({ url: asked = '', headers }, response) => {
    const name = decodeURIComponent(asked.slice(1));
    const folder = folders.get(name.replace(/\.tgz$/, ''));
    const known = versions.get(name);
    if (folder !== undefined) {
      // Types and maps are most of the files, and no program needs them.
      const without = ['./node_modules', '*.d.ts', '*.map'].map((pattern) => `--exclude=${pattern}`);
      const packed = ['--create', '--gzip', ...without, '--transform=s,^\\.,package,', '--directory', folder];
      response.end(execFileSync('tar', [...packed, '.'], { maxBuffer: 2 ** 28 }));
    } else if (known !== undefined) {
      const listed = known.map((one) => {
        const tarball = `http://${headers.host}/${encodeURIComponent(`${one.name}@${one.version}`)}.tgz`;
        return [one.version, { ...one, dist: { tarball } }];
      });
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          name,
          'dist-tags': { latest: known.at(-1)?.version },
          versions: Object.fromEntries(listed),
        }),
      );
    } else {
      response.writeHead(404).end('{}');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
