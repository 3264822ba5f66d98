/** `npm run bench -- <name> [options]`: runs one benchmark, or lists them. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const NOT_BENCHMARKS = new Set(['main.ts', 'spike.ts'])

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts') && !NOT_BENCHMARKS.has(file))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()

const [name, ...rest] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  if (name !== undefined) process.stderr.write(`there is no benchmark '${name}'\n`)
  process.stdout.write(`npm run bench -- <name>\n${names.map((one) => `  ${one}\n`).join('')}`)
  process.exit(name === undefined ? 0 : 1)
}
process.argv.splice(2, process.argv.length - 2, ...rest)
await import(new URL(`./${name}.ts`, import.meta.url).href)
