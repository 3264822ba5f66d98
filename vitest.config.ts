import { defineConfig } from 'vitest/config'

// Real sockets on port 0 everywhere; no retry, so that a flake is seen the first time.
export default defineConfig({
  test: {
    include: [
      'packages/*/{src,test}/**/*.test.ts',
      'e2e/**/*.test.ts',
      'scripts/**/*.test.ts',
      'examples/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', '**/dist/**', 'e2e/system/**'],
    pool: 'forks',
    maxWorkers: 2,
    retry: 0,
    // How long a condition may take on a busy machine; one that holds is seen at once.
    expect: { poll: { timeout: 10_000, interval: 25 } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
