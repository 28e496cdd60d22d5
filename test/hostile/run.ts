/**
 * npm run hostile [-- --seed N --seconds N]: schemathesis against a running gate's own /openapi.json. For any request, no
 * response is a 5XX or one that the document does not describe. Installs schemathesis from PyPI into .cache once.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startGate } from '../bench/processes.ts';
import { buildGate } from '../e2e/gate-program.ts';

const version = '4.32.5';
const root = path.join(import.meta.dirname, '../..');
const venv = path.join(root, '.cache', `schemathesis-${version}`);

const { values: args } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, seconds: { type: 'string', default: '60' } },
});

function install(): string {
  const program = path.join(venv, 'bin', 'schemathesis');
  if (existsSync(program)) return program;
  execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
  try {
    execFileSync(path.join(venv, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${version}`], {
      stdio: 'inherit',
    });
  } catch (error) {
    // An incomplete installation would be taken for a complete one.
    rmSync(venv, { recursive: true, force: true });
    throw error;
  }
  return program;
}

const program = install();
const folder = mkdtempSync(path.join(os.tmpdir(), 'cuj-gate-hostile-'));
try {
  // The gate runs here without a Datadog: every response is its own.
  const gate = await startGate(await buildGate(path.join(folder, 'gate')), {
    CUJ_GATE_REGISTRY: path.join(root, 'config/cujs.yaml'),
    DD_URL: 'http://127.0.0.1:9',
    CUJ_GATE_DEADLINE: '300ms',
  });
  try {
    const checks = [
      'not_a_server_error',
      'status_code_conformance',
      'content_type_conformance',
      'response_headers_conformance',
      'response_schema_conformance',
      'negative_data_rejection',
      'unsupported_method',
      'allow_header_conformance',
    ];
    const { status } = spawnSync(
      program,
      [
        'run',
        `${gate.url}/openapi.json`,
        '--checks',
        checks.join(),
        '--phases',
        'examples,coverage,fuzzing',
        // The registry defines the parameters of the selectors; without version, every request would be a 400.
        '--header',
        'X-Canary-Version: v1.42.0',
        '--seed',
        args.seed,
        '--max-time',
        args.seconds,
        '--workers',
        '2',
        '--max-response-time',
        '9',
        '--continue-on-failure',
        '--no-color',
      ],
      { stdio: 'inherit', cwd: folder },
    );
    process.exitCode = status ?? 1;
  } finally {
    await gate.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
