import { describe, expect, test } from 'vitest'
import { Breaker } from './breaker.ts'

describe('breaker', () => {
  test('F62 opens at the fifth failure among the last ten commands, not before', () => {
    const breaker = new Breaker()
    for (let i = 0; i < 4; i++) expect(breaker.failed()).toBe(false)
    expect(breaker.failed()).toBe(true)
  })

  test('F67 failures far apart do not open it', () => {
    const breaker = new Breaker()
    for (let i = 0; i < 100; i++) {
      expect(breaker.failed()).toBe(false)
      breaker.succeeded()
      breaker.succeeded()
    }
  })

  test('closes after two probes in a row', () => {
    const breaker = new Breaker()
    breaker.open(0)
    expect(breaker.probeSucceeded(1)).toBe(false)
    breaker.probeFailed()
    expect(breaker.probeSucceeded(2)).toBe(false)
    expect(breaker.probeSucceeded(3)).toBe(true)
    expect(breaker.isOpen).toBe(false)
  })

  test('F67 each relapse asks for twice as many probes, until it has been calm', () => {
    const breaker = new Breaker()
    const probesToClose = (nowMs: number): number => {
      breaker.open(nowMs)
      for (let probes = 1; probes <= 100; probes++) {
        if (breaker.probeSucceeded(nowMs)) return probes
      }
      return 0
    }
    expect([0, 1_000, 2_000, 3_000, 4_000].map(probesToClose)).toEqual([2, 4, 8, 16, 16])
    expect(probesToClose(60_000)).toBe(2)
  })

  test('what failed before it opened is forgotten when it closes', () => {
    const breaker = new Breaker()
    for (let i = 0; i < 5; i++) breaker.failed()
    breaker.open(0)
    breaker.probeSucceeded(1)
    breaker.probeSucceeded(1)
    expect(breaker.failed()).toBe(false)
  })
})
