/**
 * The article's own files, byte for byte. They are not part of this repository: they lie beside it, or where
 * `ARTICLE_FILES` says. A test that needs one says so and counts as skipped when they are absent.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'

const BESIDE = fileURLToPath(new URL('../../shared/mission/files', import.meta.url))

export type ArticleFileName =
  | 'ai-gateway-alerts.yml'
  | 'ai-gateway.yaml'
  | 'ai_client.py'
  | 'kong.yml'
  | 'prometheus.yml'

export interface ArticleFiles {
  readonly folder: string
  path(name: ArticleFileName): string
  read(name: ArticleFileName): string
}

/**
 * @returns `undefined` when the files are not where they usually are.
 * @throws {Error} when `ARTICLE_FILES` names a folder without them: whoever sets it wants them used.
 */
function findArticleFiles(): ArticleFiles | undefined {
  const asked = process.env['ARTICLE_FILES']
  const folder = asked ?? BESIDE
  if (!existsSync(join(folder, 'kong.yml'))) {
    if (asked !== undefined) throw new Error(`ARTICLE_FILES=${asked}: there is no kong.yml`)
    return undefined
  }
  const path = (name: ArticleFileName): string => join(folder, name)
  return { folder, path, read: (name) => readFileSync(path(name), 'utf8') }
}

let announced = false

/** A test over the article's files; without them it is skipped, and standard error says why. */
export function articleTest(
  name: string,
  run: (files: ArticleFiles) => Promise<void>,
  timeoutMs?: number,
): void {
  test(
    name,
    async (context) => {
      const files = findArticleFiles()
      if (files !== undefined) {
        await run(files)
        return
      }
      const note = `the article's files are not at ${BESIDE}; set ARTICLE_FILES to prove what they need`
      if (!announced) process.stderr.write(`${note}\n`)
      announced = true
      context.skip(note)
    },
    timeoutMs,
  )
}
