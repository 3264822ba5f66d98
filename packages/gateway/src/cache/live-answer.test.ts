import { Tenant, type CachedHead } from '@pratu/plugin-kit'
import { TestClock } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { Answers, type Question } from './answers.ts'
import type { AnswerReader, LiveAnswer } from './live-answer.ts'
import { MemoryCache } from './memory-cache.ts'

const HEAD: CachedHead = { status: 200, headers: ['Content-Type', 'text/plain'] }
const HOUR = { keepMs: 3_600_000, freshMs: 3_600_000 }

/** A reader that writes down what it is told, and takes bytes while `open`. */
class Recorder implements AnswerReader {
  heads: CachedHead[] = []
  text = ''
  ended = false
  failure: Error | undefined
  leads: LiveAnswer | undefined
  open = true
  #resume: (() => void) | undefined

  head(head: CachedHead): void {
    this.heads.push(head)
  }
  write(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString()
    return this.open
  }
  onDrain(resume: () => void): void {
    this.#resume = resume
  }
  drain(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }
  end(): void {
    this.ended = true
  }
  fail(error: Error): void {
    this.failure = error
  }
  lead(live: LiveAnswer): void {
    this.leads = live
  }
}

function given(maxBytes = 1024 * 1024) {
  const cache = new MemoryCache({ maxBytes, clock: new TestClock() })
  const answers = new Answers(cache, 'owner')
  const ask = (more: Partial<Question> = {}) =>
    answers.open({
      key: { tenant: Tenant.everyone, digest: 'key' },
      lanes: ['told'],
      lookUp: true,
      share: true,
      ask: true,
      judge: () => 'fresh',
      ...more,
    })
  const lead = () => {
    const opened = ask()
    if (opened.kind !== 'lead') throw new Error(`not to lead but ${opened.kind}`)
    return opened.live
  }
  return { cache, answers, ask, lead }
}

describe('F73 an answer under way', () => {
  test('the second who asks joins, whoever asks after the end is given what is kept', () => {
    const { ask, lead, answers } = given()
    const live = lead()
    const [first, second, third] = [new Recorder(), new Recorder(), new Recorder()]
    live.lead(first)
    expect(ask()).toEqual({ kind: 'follow', live })
    live.follow(second, 1_000)
    live.head(HEAD, 'kept')
    live.write(Buffer.from('one '))
    live.follow(third, 1_000)
    live.write(Buffer.from('two'))
    expect(live.end(HOUR)).toBe(true)
    for (const { text, ended, heads } of [first, second, third]) {
      expect([text, ended, heads]).toEqual(['one two', true, [HEAD]])
    }
    const opened = ask()
    expect(opened.kind === 'hit' && Buffer.from(opened.found.body).toString()).toBe('one two')
    expect(answers.size).toBe(0)
  })

  test('a slow reader holds nobody up, and gets everything in its own time, also after the end', () => {
    const { lead, cache } = given()
    const live = lead()
    const [slow, fast] = [new Recorder(), new Recorder()]
    live.lead(slow)
    live.follow(fast, 1_000)
    slow.open = false
    live.head(HEAD, 'kept')
    expect(live.write(Buffer.from('a'))).toBe(true)
    expect(live.write(Buffer.from('b'))).toBe(true)
    expect([slow.text, fast.text]).toEqual(['a', 'ab'])
    live.end(HOUR)
    expect([slow.ended, fast.ended]).toEqual([false, true])
    // What is kept may go: the slow reader has what it needs.
    cache.purge()
    slow.open = true
    slow.drain()
    expect([slow.text, slow.ended]).toEqual(['ab', true])
  })

  test('F04 when nobody takes more the upstream waits, until somebody does', () => {
    const { lead } = given()
    const live = lead()
    const only = new Recorder()
    live.lead(only)
    only.open = false
    live.head(HEAD, 'kept')
    expect(live.write(Buffer.from('a'))).toBe(false)
    let resumed = 0
    live.onDrain(() => resumed++)
    expect(resumed).toBe(0)
    only.open = true
    only.drain()
    expect(resumed).toBe(1)
  })

  test('an answer too large to keep passes to all, in order, at the pace of the slowest, and is not kept', () => {
    const { lead, cache, ask } = given(64 * 1024)
    const live = lead()
    const [slow, fast] = [new Recorder(), new Recorder()]
    live.lead(slow)
    live.follow(fast, 1_000)
    live.head(HEAD, 'kept')
    live.write(Buffer.from('a'.repeat(2_000)))
    slow.open = false
    live.write(Buffer.from('b'.repeat(1_000)))
    live.write(Buffer.from('c'.repeat(500)))
    expect(live.write(Buffer.from('d'.repeat(2_000)))).toBe(false)
    expect(fast.text.length).toBe(3_500)
    let resumed = 0
    live.onDrain(() => resumed++)
    slow.open = true
    slow.drain()
    expect(resumed).toBe(1)
    expect(live.write(Buffer.from('e'.repeat(9_000)))).toBe(true)
    expect(ask().kind).toBe('lead')
    expect(live.end(HOUR)).toBe(false)
    const whole = `${'a'.repeat(2_000)}${'b'.repeat(1_000)}${'c'.repeat(500)}${'d'.repeat(2_000)}${'e'.repeat(9_000)}`
    expect(slow.text).toBe(whole)
    expect(fast.text).toBe(whole)
    expect(cache.usage()).toMatchObject({ entries: 0, usedBytes: 0 })
  })

  test('it ends while too much waits for a slow reader: nothing of it is lost', () => {
    const { lead, cache } = given(64 * 1024)
    const live = lead()
    const slow = new Recorder()
    live.lead(slow)
    live.head(HEAD, 'kept')
    slow.open = false
    live.write(Buffer.from('a'.repeat(1_000)))
    live.write(Buffer.from('b'.repeat(1_000)))
    live.write(Buffer.from('c'.repeat(9_000)))
    live.write(Buffer.from('d'))
    live.end(HOUR)
    slow.open = true
    slow.drain()
    expect(slow.text).toBe(`${'a'.repeat(1_000)}${'b'.repeat(1_000)}${'c'.repeat(9_000)}d`)
    expect([slow.ended, cache.usage().usedBytes]).toEqual([true, 0])
  })

  test('a purge while it comes: readers go on, and nothing is kept', () => {
    const { lead, cache } = given()
    const live = lead()
    const [first, late] = [new Recorder(), new Recorder()]
    live.lead(first)
    live.head(HEAD, 'kept')
    live.write(Buffer.from('one '))
    cache.purge()
    live.follow(late, 1_000)
    live.write(Buffer.from('two'))
    expect(live.end(HOUR)).toBe(false)
    expect([first.text, late.text]).toEqual(['one two', 'one two'])
    expect(cache.usage()).toMatchObject({ entries: 0, usedBytes: 0 })
  })
})

describe('F73 a leader that fails', () => {
  test('before its answer began: the first follower leads, the others follow it; the second failure is everyone’s', () => {
    const { lead, ask } = given()
    const live = lead()
    const [leader, second, third] = [new Recorder(), new Recorder(), new Recorder()]
    live.lead(leader)
    live.follow(second, 1_000)
    live.follow(third, 1_000)
    live.fail(new Error('first'))
    expect(leader.failure?.message).toBe('first')
    const next = second.leads
    expect(next).toBeDefined()
    expect(third.failure).toBeUndefined()
    expect(ask()).toEqual({ kind: 'follow', live: next })
    next?.lead(second)
    next?.fail(new Error('second'))
    expect([second.failure?.message, third.failure?.message]).toEqual(['second', 'second'])
    expect(ask().kind).toBe('lead')
  })

  test('with an error as its answer: it is the leader’s alone, while another asks', () => {
    const { lead } = given()
    const live = lead()
    const [leader, follower] = [new Recorder(), new Recorder()]
    live.lead(leader)
    live.follow(follower, 1_000)
    live.head({ status: 503, headers: [] }, 'mine')
    live.end(undefined)
    expect([leader.heads[0]?.status, leader.ended]).toEqual([503, true])
    expect(follower.heads).toEqual([])
    expect(follower.leads).toBeDefined()
  })

  test('in the middle of its answer: everyone who had it begun is told', () => {
    const { lead } = given()
    const live = lead()
    const [leader, follower] = [new Recorder(), new Recorder()]
    live.lead(leader)
    live.follow(follower, 1_000)
    live.head(HEAD, 'kept')
    live.write(Buffer.from('half'))
    live.fail(new Error('cut'))
    expect([follower.text, follower.failure?.message]).toEqual(['half', 'cut'])
  })

  test('a reader whose own response fails leaves alone; the last one tells the upstream', () => {
    const { lead } = given()
    const live = lead()
    const broken = new Recorder()
    broken.write = () => {
      throw new Error('a plugin threw')
    }
    const other = new Recorder()
    live.lead(broken)
    const place = live.follow(other, 1_000)
    let nobody = 0
    live.onNoReaders(() => nobody++)
    live.head(HEAD, 'kept')
    live.write(Buffer.from('x'))
    expect([other.text, live.readers, nobody]).toEqual(['x', 1, 0])
    place.leave()
    expect(nobody).toBe(1)
  })
})
