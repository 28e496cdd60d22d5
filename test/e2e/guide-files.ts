import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import { type KubeObject, objectsOf } from './kube.ts';

const examples = path.join(import.meta.dirname, 'examples');

/** The registry that docs/argo-rollouts.md begins with: sign-up of member-api. */
export const guideRegistry = path.join(examples, 'cujs.yaml');

/** Folders below `examples/`, of which docs/argo-rollouts.md shows parts. */
export type GuideFolder = 'generated' | 'generated/rollouts' | 'generated/virtual-services' | 'with-token';

/** The lines that the flags of shortTimes change: pattern and replacement. */
const shorter: readonly [RegExp, string][] = [
  [/^( *initialDelay: )\S+$/gm, '$15s'],
  [/^( *interval: )20s$/gm, '$12s'],
  [/^( *count: )45$/gm, '$15'],
  [/^( *consecutiveSuccessLimit: )4$/gm, '$12'],
  [/^( *inconclusiveLimit: )45$/gm, '$15'],
];

/** The objects of the files that the guide is cut from, unchanged except for times and the gate's address. */
export function guideFiles(folders: readonly GuideFolder[], gateUrl: string): KubeObject[] {
  return folders.flatMap((folder) => {
    const files = readdirSync(path.join(examples, folder), { recursive: true, encoding: 'utf8' });
    return files
      .filter((file) => file.endsWith('.yaml'))
      .sort()
      .flatMap((file) => {
        let text = readFileSync(path.join(examples, folder, file), 'utf8');
        for (const [long, short] of shorter) text = text.replace(long, short);
        return objectsOf(text.replaceAll(defaultAnalysisOptions.gateUrl, gateUrl));
      });
  });
}
