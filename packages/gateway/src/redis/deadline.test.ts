import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { DeadlineExceeded, withDeadline } from './deadline.ts'

test('an answer in time is passed on, a failure too', async () => {
  expect(await withDeadline(Promise.resolve(7), 1_000)).toBe(7)
  await expect(withDeadline(Promise.reject(new Error('no')), 1_000)).rejects.toThrow('no')
})

test('F62 after the deadline nobody waits; an answer that comes then is told apart', async () => {
  let answer: (value: number) => void = () => undefined
  const work = new Promise<number>((resolve) => {
    answer = resolve
  })
  const late: number[] = []
  const told = new Promise<void>((resolve) => {
    withDeadline(work, 5, (value) => {
      late.push(value)
      resolve()
    }).catch((error: unknown) => {
      expect(error).toBeInstanceOf(DeadlineExceeded)
      answer(7)
    })
  })
  await told
  expect(late).toEqual([7])
})

test('an answer that was there in time counts, also when this process was too busy to read it', async () => {
  const { port1, port2 } = new MessageChannel()
  const work = new Promise<unknown>((resolve) => {
    port2.on('message', resolve)
  })
  port1.postMessage('answer')
  const waiting = withDeadline(work, 5)
  const untilMs = performance.now() + 20
  while (performance.now() < untilMs) Math.sqrt(2)
  expect(await waiting).toBe('answer')
  port1.close()
})
