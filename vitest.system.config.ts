import { defineConfig } from 'vitest/config'

// The catalogue's own injections at default limits; needs root and Debian packages (scripts/system-packages.sh).
export default defineConfig({
  test: {
    include: ['e2e/system/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 3,
    retry: 0,
    // How long a condition may take on a busy machine; one that holds is seen at once.
    expect: { poll: { timeout: 20_000, interval: 25 } },
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
})
