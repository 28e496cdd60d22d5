import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { clustersDocument as document, question, serve } from './clusters.ts';

describe('a reload', () => {
  it('that adds an environment is answered for, and one that removes it is not', async () => {
    const { gate, get, path } = await serve();
    const files = async (environments: object) => {
      await writeFile(path, JSON.stringify({ ...document, environments }));
      await expect
        .poll(async () => (await get('/registry')).body.environments, { timeout: 30_000 })
        .toEqual(Object.keys(environments));
    };
    const { eu, us, staging } = document.environments;
    await files({ eu, us, staging, asia: { env: 'production', tags: { cluster_name: 'us-1' } } });
    expect((await get(`${question}&environment=asia`)).body).toMatchObject({
      verdict: 'fail',
      environment: 'asia',
    });
    await files({ eu, staging });
    expect((await get(`${question}&environment=us`)).statusCode).toBe(400);
    expect((await get(`${question}&environment=eu`)).body).toMatchObject({ verdict: 'pass' });
    const metrics = (await gate.app.inject({ url: '/metrics' })).body;
    expect(metrics).not.toContain('environment="us"');
    expect(metrics).not.toContain('environment="asia"');
  });
});
