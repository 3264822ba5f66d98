import { readFileSync } from 'node:fs'

interface Manifest {
  readonly version: string
}

/** Both `src/runtime` and `dist/runtime` lie two folders below the package. */
function readManifest(): Manifest {
  return JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as Manifest
}

export const PRATU_VERSION: string = readManifest().version

/** The release of Kong whose behaviour is the profile (kong.md §0). */
export const KONG_VERSION = '3.9.1'
