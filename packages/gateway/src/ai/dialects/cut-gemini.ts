import { promptTokens, type Usage } from '../usage/index.ts'
import { parseEvent, type StreamCutter } from './stream-cutter.ts'

const FINISH = Buffer.from('"finishReason"')

/** Ends a Gemini stream: one more answer, empty, with `finishReason: "MAX_TOKENS"` and the usage. */
export class GeminiCutter implements StreamCutter {
  readonly #choices: number
  #first: Readonly<Record<string, unknown>> | undefined
  #finished = false

  constructor(choices: number) {
    this.#choices = choices
  }

  get ready(): boolean {
    return this.#first !== undefined && !this.#finished
  }

  read(data: Buffer): void {
    this.#first ??= parseEvent(data)
    if (data.includes(FINISH)) this.#finished = true
  }

  end(usage: Usage): string {
    const { modelVersion, responseId } = this.#first ?? {}
    const candidates = Array.from({ length: this.#choices }, (_, index) => ({
      content: { role: 'model', parts: [{ text: '' }] },
      finishReason: 'MAX_TOKENS',
      index,
    }))
    const prompt = promptTokens(usage)
    const written = usage.outputText + usage.audioOutput
    const usageMetadata = {
      promptTokenCount: prompt,
      cachedContentTokenCount: usage.cacheRead,
      candidatesTokenCount: written,
      thoughtsTokenCount: usage.reasoning,
      totalTokenCount: prompt + written + usage.reasoning,
    }
    // Its own lines end in CR LF, and either is an end of line.
    return `data: ${JSON.stringify({ candidates, usageMetadata, modelVersion, responseId })}\r\n\r\n`
  }
}
