import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ROOMS } from './rooms.ts'

const text = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8')
const SOURCE = new URL('../packages/gateway/src/', import.meta.url)

test('ARCHITECTURE.md has every room, in the order of the layers', () => {
  const rows = [...text.matchAll(/^\| `([a-z]+)\/(?:<name>\/)?` +\|/gm)].map(([, room]) => room)
  expect(rows).toEqual([...ROOMS])
})

test('ARCHITECTURE.md names only files that exist', () => {
  const named = [...text.matchAll(/`([a-z][\w/-]*\/[\w-]+\.ts)`/g)].map(([, path = '']) => path)
  expect(named.length).toBeGreaterThan(10)
  const root = new URL('../', import.meta.url)
  const missing = named.filter(
    (path) => !existsSync(new URL(path, SOURCE)) && !existsSync(new URL(path, root)),
  )
  expect(missing).toEqual([])
})
