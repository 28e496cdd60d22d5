import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** Files that start processes or threads, that have a test of more than a second, or more than a second of random cases (ADR 40). */
const integrationFiles = 'test/**/*.integration.test.ts';
/** Files that replace a module with `vi.mock`. */
const isolatedFiles = 'test/**/*.isolated.test.ts';
const e2eFiles = 'test/e2e/**';
/** Files that run oauth2-proxy, which Go has to build. */
const signInFiles = 'test/sign-in/**/*.test.ts';
/** Files about Prometheus 3, Thanos and Mimir, which Go has to build. */
const backendFiles = 'test/sources/prometheus/**/*.backend.test.ts';
const setupFiles = ['test/property-seed.ts'];

/** One process runs many files and loads each module once. Loading all of them for each file took half of the time. */
const unit: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: 'unit',
    include: ['test/**/*.test.ts'],
    exclude: [e2eFiles, signInFiles, backendFiles, integrationFiles, isolatedFiles],
    isolate: false,
    setupFiles,
  },
};

/** Each file has its own process, because a replaced module would reach the files that run later. */
const isolated: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: 'isolated', include: [isolatedFiles], exclude: [e2eFiles], setupFiles },
};

const integration: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: 'integration', include: [integrationFiles], exclude: [e2eFiles], setupFiles },
};

const signIn: TestProjectInlineConfiguration = {
  extends: true,
  test: { name: 'sign-in', include: [signInFiles] },
};

/** The tests of real backends, and those that only what Go has to build can run. */
const backends: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: 'backends',
    include: [
      'test/sources/prometheus/{commands,latency-real-backends,native-rules,real-backends}.integration.test.ts',
      backendFiles,
    ],
    globalSetup: 'test/sources/prometheus/build-backends.ts',
    // Each backend is several processes.
    fileParallelism: false,
  },
};

/** By the value of TEST_SET. `npm test` sets none. */
const sets: Record<string, TestProjectInlineConfiguration[]> = {
  unit: [unit, isolated],
  integration: [integration],
  all: [unit, isolated, integration],
  'sign-in': [signIn],
  backends: [backends],
};

const projects = sets[process.env.TEST_SET ?? 'unit'];
if (projects === undefined) throw new Error(`TEST_SET is one of ${Object.keys(sets).join(', ')}`);

export default defineConfig({
  test: {
    projects,
    // Limits for a machine that is busy with other things; nothing here waits for a clock.
    // By default one core is left idle, which on two cores doubles the time.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // By default a second, which a busy machine exceeds.
    expect: { poll: { timeout: 30_000, interval: 20 } },
    // A spy that a test forgets must not reach the next file.
    restoreMocks: true,
    coverage: { provider: 'v8', include: ['src/**/*.{ts,tsx}'], reporter: ['text', 'json-summary'] },
  },
});
