import { readFileSync, writeFileSync } from 'node:fs'
import { ROOMS } from './rooms.ts'

const CONFIG_FILE = new URL('../.oxlintrc.json', import.meta.url)
const SOURCE = 'packages/gateway/src'
const TESTS = ['**/*.test.ts', '**/test/**', 'e2e/**', 'bench/**', 'scripts/**', '**/testing/**']

interface Pattern {
  readonly group: readonly string[]
  readonly message: string
}

/** Every room's imports: nothing above it, nothing past a door, no transport outside its room. */
function importRules(room: string, index: number): object {
  const above: Pattern[] = ROOMS.slice(index + 1).map((name) => ({
    group: [`**/${name}/**`],
    message: `${room}/ is below ${name}/: turn the dependency round or inject it (ARCHITECTURE.md).`,
  }))
  const past: Pattern[] = ROOMS.slice(0, index).map((name) => ({
    group: [`**/${name}/**`, `!**/${name}/index.ts`],
    message: `Import ${name}/ through its index.ts.`,
  }))
  const simulator = { name: '@pratu/simulator', message: 'Only cli/ knows the simulator.' }
  const client = { name: '@pratu/client', message: 'Only cli/ knows the client.' }
  const undici = { name: 'undici', message: 'Only upstream/ talks to upstreams.' }
  const servers = ['node:http', 'node:https', 'node:net', 'node:tls'].map((name) => ({
    name,
    importNames: ['createServer', 'Server', 'default'],
    message: 'Only listener/ opens servers.',
  }))
  return {
    files: [`${SOURCE}/${room}/**`],
    excludeFiles: TESTS,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            ...(room === 'upstream' ? [] : [undici]),
            ...(room === 'listener' ? [] : servers),
            ...(room === 'cli' ? [] : [simulator, client]),
          ],
          patterns: [...above, ...past],
        },
      ],
    },
  }
}

/** The whole linter configuration; the layers come from `ROOMS`. */
export function lintConfig(): object {
  return {
    $schema: './node_modules/oxlint/configuration_schema.json',
    plugins: ['eslint', 'typescript', 'unicorn', 'oxc', 'import', 'promise', 'node'],
    categories: { correctness: 'error' },
    ignorePatterns: ['**/dist/**', '**/node_modules/**', '**/*.js'],
    rules: {
      'import/no-cycle': ['error', { ignoreTypes: false }],
      'import/no-default-export': 'error',
      'no-console': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'unicorn/no-new-array': 'off',
      'typescript/no-explicit-any': 'error',
      'typescript/no-non-null-assertion': 'error',
      'typescript/no-floating-promises': 'error',
      'typescript/no-misused-promises': 'error',
      'typescript/only-throw-error': 'error',
      'typescript/consistent-type-imports': 'error',
      'typescript/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-restricted-globals': [
        'error',
        { name: 'fetch', message: 'Use upstream/: timeouts, address policy, body draining.' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Only cli/ and runtime/ end the process.' },
      ],
      'max-lines': ['warn', { max: 400, skipBlankLines: true, skipComments: true }],
    },
    overrides: [
      ...ROOMS.map(importRules),
      {
        files: [
          `${SOURCE}/{cli,runtime}/**`,
          'packages/simulator/src/cli.ts',
          'bench/**',
          'scripts/**',
        ],
        rules: { 'no-restricted-properties': 'off' },
      },
      {
        // What browsers load has nothing of Node's in it: those parts are named here.
        files: ['packages/client/src/**'],
        excludeFiles: [
          ...TESTS,
          'packages/client/src/batch-file/**',
          'packages/client/src/transport/pooled-transport.ts',
        ],
        rules: {
          'no-restricted-imports': [
            'error',
            { patterns: [{ group: ['node:*', 'undici'], message: 'Browsers have no Node.' }] },
          ],
        },
      },
      { files: TESTS, rules: { 'max-lines': 'off', 'no-restricted-globals': 'off' } },
      { files: ['bench/**', 'scripts/**'], rules: { 'no-console': 'off' } },
      {
        files: ['vitest.config.ts', 'vitest.system.config.ts'],
        rules: { 'import/no-default-export': 'off' },
      },
    ],
  }
}

const text = `${JSON.stringify(lintConfig(), undefined, 2)}\n`
if (process.argv.includes('--write')) writeFileSync(CONFIG_FILE, text)
if (process.argv.includes('--check') && readFileSync(CONFIG_FILE, 'utf8') !== text) {
  process.stderr.write(
    '.oxlintrc.json is not what scripts/lint-config.ts makes: run npm run lint:config\n',
  )
  process.exitCode = 1
}
