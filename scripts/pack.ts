/**
 * Builds the npm tarballs: compiles every package, points `exports` at the compiled files and packs.
 *
 * Usage: node scripts/pack.ts [folder for the tarballs, default ./tarballs]
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PACKAGES = ['plugin-kit', 'client', 'simulator', 'gateway'] as const

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, Door>>
}

/** A source file, or one for each condition. */
type Door = string | Readonly<Record<string, string>>

const target = resolve(process.argv[2] ?? 'tarballs')
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
for (const name of PACKAGES)
  rmSync(join(ROOT, 'packages', name, 'dist'), { recursive: true, force: true })
execFileSync(
  process.execPath,
  [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', 'tsconfig.build.json'],
  {
    cwd: ROOT,
    stdio: 'inherit',
  },
)
for (const name of PACKAGES) pack(name)
console.log(readdirSync(target).sort().join('\n'))

function pack(name: string): void {
  const source = join(ROOT, 'packages', name)
  const staged = mkdtempSync(join(tmpdir(), `pratu-pack-${name}-`))
  try {
    cpSync(join(source, 'dist'), join(staged, 'dist'), {
      recursive: true,
      filter: (path) => !path.endsWith('.tsbuildinfo'),
    })
    if (existsSync(join(source, 'bin')))
      cpSync(join(source, 'bin'), join(staged, 'bin'), { recursive: true })
    for (const file of ['README.md', 'LICENSE']) {
      const own = join(source, file)
      const shared = join(ROOT, file)
      if (existsSync(own)) cpSync(own, join(staged, file))
      else if (existsSync(shared)) cpSync(shared, join(staged, file))
    }
    const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest
    writeFileSync(
      join(staged, 'package.json'),
      `${JSON.stringify({ ...manifest, exports: compiledExports(manifest.exports) }, undefined, 2)}\n`,
    )
    execFileSync('npm', ['pack', '--silent', '--pack-destination', target], {
      cwd: staged,
      stdio: 'pipe',
    })
  } finally {
    rmSync(staged, { recursive: true, force: true })
  }
}

/** `./src/x.ts` → its declaration and its code. */
function compiledExports(exports: Manifest['exports']): Record<string, object | string> {
  const compiled: Record<string, object | string> = { './package.json': './package.json' }
  for (const [door, file] of Object.entries(exports)) {
    compiled[door] =
      typeof file === 'string'
        ? compiledFile(file)
        : Object.fromEntries(
            Object.entries(file).map(([condition, one]) => [condition, compiledFile(one)]),
          )
  }
  return compiled
}

function compiledFile(file: string): object {
  const base = file.replace('./src/', './dist/').replace(/\.ts$/, '')
  return { types: `${base}.d.ts`, default: `${base}.js` }
}
