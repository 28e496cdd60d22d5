import { defineConfig } from 'vitest/config';

/** `npm test`: what needs no process of its own. Tests that start processes end in .integration.test.ts. */
const integration = 'test/**/*.integration.test.ts';
const runsIntegration = process.env.TEST_SET === 'integration';
const runsAll = process.env.TEST_SET === 'all';

export default defineConfig({
  test: {
    include: [runsIntegration ? integration : 'test/**/*.test.ts'],
    exclude: ['test/e2e/**', ...(runsIntegration || runsAll ? [] : [integration])],
    // Limits for a machine that is busy with other things; nothing here waits for a clock.
    // By default one core is left idle, which on two cores doubles the time.
    maxWorkers: '100%',
    setupFiles: ['test/property-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text', 'json-summary'] },
  },
});
