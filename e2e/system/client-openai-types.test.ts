/** Our types beside those of the official library: its values fit into our requests, our answers where it wants its own. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand, type CommandResult } from '../run-command.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const FITS = `
import type OpenAI from 'openai'
import type { ChatChunk, ChatCompletion, ChatRequest, Embeddings, EmbeddingsRequest, Model } from '@pratu/client'
declare const plain: OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming
declare const streamed: OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming
declare const embed: Omit<OpenAI.EmbeddingCreateParams, 'encoding_format'>
declare const theirs: OpenAI.Chat.Completions.ChatCompletion
declare const ours: ChatCompletion
declare const chunk: ChatChunk
declare const embeddings: Embeddings
declare const model: Model
export const requests: ChatRequest[] = [plain, streamed]
export const embedRequest: EmbeddingsRequest = embed
export const next: ChatRequest[] = [
  { model: 'm', messages: theirs.choices.map(({ message }) => message) },
  { model: 'm', messages: ours.choices.map(({ message }) => message) },
]
export const completion: OpenAI.Chat.Completions.ChatCompletion = ours
export const theirChunk: OpenAI.Chat.Completions.ChatCompletionChunk = chunk
export const theirEmbeddings: OpenAI.CreateEmbeddingResponse = embeddings
export const theirModel: OpenAI.Models.Model = model
`

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-types-'))
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  cpSync(join(ROOT, '.npmrc'), join(folder, '.npmrc'))
  await promisify(execFile)('npm', ['install', '--ignore-scripts', 'openai@7.57.0'], {
    cwd: folder,
  })
  mkdirSync(join(folder, 'node_modules/@pratu'))
  symlinkSync(join(ROOT, 'packages/client'), join(folder, 'node_modules/@pratu/client'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        declaration: false,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        typeRoots: [join(ROOT, 'node_modules/@types')],
      },
      include: ['*.ts'],
    }),
  )
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function compile(text: string): Promise<CommandResult> {
  writeFileSync(join(folder, 'fits.ts'), text)
  return runCommand([process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder])
}

test("the official library's requests fit into ours, our answers where its own are wanted", async () => {
  const { code, stdout } = await compile(FITS)
  expect([code, stdout]).toEqual([0, ''])
})

test('what does not fit is told: this check can fail', async () => {
  const { code, stdout } = await compile(`${FITS}export const wrong: ChatRequest = ours\n`)
  expect(code).not.toBe(0)
  expect(stdout).toContain('fits.ts')
})
