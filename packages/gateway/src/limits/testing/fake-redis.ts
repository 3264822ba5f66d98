import { RedisUnavailable, type RedisScript } from '../../redis/index.ts'
import type { ScriptRunner } from '../script-runner.ts'

export interface Sent {
  readonly script: RedisScript
  readonly keys: readonly string[]
  readonly values: readonly (string | number)[]
}

/** A connection whose answers the test decides. */
export class FakeRedis implements ScriptRunner {
  isUp = true
  readonly isCluster: boolean
  readonly sent: Sent[] = []
  /** The answer to whatever is sent; throw for one that does not come. */
  answer: (sent: Sent) => unknown = () => [1, 0]
  readonly #upListeners: (() => void)[] = []

  constructor({ isCluster = false }: { isCluster?: boolean } = {}) {
    this.isCluster = isCluster
  }

  onUp(listener: () => void): void {
    this.#upListeners.push(listener)
    if (this.isUp) listener()
  }

  async evaluate(
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    const sent = { script, keys, values }
    this.sent.push(sent)
    await Promise.resolve()
    return this.answer(sent)
  }

  /** What is under way gets no answer, and nothing can be sent. */
  goAway(): void {
    this.isUp = false
    this.answer = () => {
      throw new RedisUnavailable('away')
    }
  }

  comeBack(): void {
    this.isUp = true
    this.answer = () => [1, 0]
    for (const listener of this.#upListeners) listener()
  }
}
