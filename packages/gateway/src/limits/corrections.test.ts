import type { MeterDefinition } from '@pratu/plugin-kit'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Corrections } from './corrections.ts'
import { RedisTime } from './redis-time.ts'
import { RemoteMeter } from './remote-meter.ts'
import { FakeRedis, type Sent } from './testing/fake-redis.ts'
import { REDIS_STORE, remoteMeter } from './testing/remote.ts'

const MINUTE = { kind: 'calendar', period: 'minute' } as const

function meterOf(quantity: MeterDefinition['quantity']): RemoteMeter {
  const definition: MeterDefinition = { id: quantity, quantity, window: MINUTE, limit: 1_000 }
  return new RemoteMeter(definition, REDIS_STORE, remoteMeter(1).counting, () => undefined)
}

const money = meterOf('nano_dollars')
const requests = meterOf('requests')

function given(redis: FakeRedis, isReplayed = false): Corrections {
  return new Corrections({
    connection: redis,
    sender: 'me',
    time: new RedisTime(0, () => 0),
    isReplayed: () => isReplayed,
  })
}

const taken = (meter: RemoteMeter, scope = 'alice') => ({ meter, scope, amount: 10, mark: 7 })

/** Number and changes of a settlement. */
function told({ values }: Sent): readonly [unknown, unknown] {
  const question: unknown = JSON.parse(String(values[0]))
  const changes =
    typeof question === 'object' && question !== null && 'c' in question ? question.c : undefined
  return [values[1], changes]
}

describe('corrections', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1)

  test('of one turn of the event loop travel together, in numbered batches', async () => {
    const redis = new FakeRedis()
    const corrections = given(redis)
    corrections.correct(taken(money), -4)
    corrections.correct(taken(requests, 'bob'), -10)
    corrections.correct(taken(money), 0)
    await turn()
    corrections.correct(taken(money), 2)
    await turn()
    expect(redis.sent.map(told)).toEqual([
      [
        1,
        [
          [2, 1, -4, 7, 10],
          [3, 2, -10, 7, 10],
        ],
      ],
      [2, [[2, 1, 2, 7, 10]]],
    ])
    expect(redis.sent[0]?.keys).toEqual([
      'pratu:settled:me',
      'pratu:limits:{alice}',
      'pratu:limits:{bob}',
    ])
    expect(corrections.settled).toBe(true)
  })

  test('F62 while Redis is away spend waits until it is found to remember, and requests do not', async () => {
    const redis = new FakeRedis()
    const corrections = given(redis)
    corrections.correct(taken(money), -4)
    redis.goAway()
    await turn()
    corrections.correct(taken(requests), -1)
    corrections.recordLater(money, 'alice', 5, 3)
    redis.comeBack()
    await turn()
    expect(corrections.settled).toBe(false)
    corrections.resume()
    await turn()
    expect(redis.sent.map(told)).toEqual([
      [
        1,
        [
          [2, 1, -4, 7, 10],
          [2, 1, 5, 3],
        ],
      ],
    ])
    expect(corrections.settled).toBe(true)
  })

  test('F62 a batch whose answer was lost keeps its number; requests are left out of it', async () => {
    const redis = new FakeRedis()
    const corrections = given(redis)
    corrections.correct(taken(money), -4)
    corrections.correct(taken(requests), -4)
    redis.answer = () => {
      redis.isUp = false
      throw new Error('no answer')
    }
    await turn()
    redis.comeBack()
    corrections.resume()
    await turn()
    expect(redis.sent.map(told)).toEqual([
      [
        1,
        [
          [2, 1, -4, 7, 10],
          [2, 2, -4, 7, 10],
        ],
      ],
      [1, [[2, 1, -4, 7, 10]]],
    ])
  })

  test.each([false, true])(
    'F64 of a Redis that was emptied nothing is taken back; spend is told to it unless it is replayed (%s)',
    async (isReplayed) => {
      const redis = new FakeRedis()
      const corrections = given(redis, isReplayed)
      redis.goAway()
      corrections.correct(taken(money), -4)
      corrections.correct(taken(money), -10)
      await turn()
      redis.comeBack()
      corrections.reborn()
      corrections.resume()
      await turn()
      expect(redis.sent.flatMap((sent) => told(sent)[1])).toEqual(isReplayed ? [] : [[2, 1, 6, 0]])
      expect(corrections.settled).toBe(true)
    },
  )

  test('F78 what waits is bounded, and what is given up is counted and told to whoever waits for it', async () => {
    const redis = new FakeRedis()
    const corrections = given(redis)
    redis.goAway()
    for (let i = 0; i < 60_000; i++) corrections.recordLater(money, 'alice', 1, 0)
    expect(corrections.waitingBytes).toBeLessThanOrEqual(8 * 1024 * 1024)
    expect(corrections.lost).toBeGreaterThan(0)
    await expect(corrections.record(money, 'alice', 1, 0)).rejects.toThrow('too much waits')
  })

  test('in a cluster each scope has a settlement of its own, beside its counters', async () => {
    const redis = new FakeRedis({ isCluster: true })
    const corrections = given(redis)
    corrections.correct(taken(money, 'alice'), -4)
    corrections.correct(taken(money, 'bob'), -4)
    await turn()
    expect(redis.sent.map(({ keys }) => keys)).toEqual([
      ['pratu:settled:{alice}me', 'pratu:limits:{alice}'],
      ['pratu:settled:{bob}me', 'pratu:limits:{bob}'],
    ])
  })
})
