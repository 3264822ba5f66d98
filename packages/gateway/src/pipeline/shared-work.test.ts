import { expect, test } from 'vitest'
import { HeaderList } from '../http/index.ts'
import { retain, type Retained } from './shared-work.ts'
import { givenPipeline } from './testing/given-pipeline.ts'

/** A pipeline whose one plugin retains every exchange. */
function given() {
  let retained: Retained | undefined
  let departures = 0
  let cancelled = 0
  const pipeline = givenPipeline({
    plugins: [
      {
        wrap: (next) => (exchange, out) => {
          retained = retain(exchange, () => departures++)
          next(exchange, out)
        },
      },
    ],
    handler: (exchange, _service, out) => {
      exchange.onCancel(() => cancelled++)
      if (exchange.request.rawQuery === '?now') {
        out.head({ status: 200, headers: new HeaderList() })
        out.end()
      }
    },
  })
  return {
    pipeline,
    release: (done: boolean) => retained?.release(done),
    seen: () => ({ departures, cancelled, settled: pipeline.settled.length, pins: pipeline.pins }),
  }
}

test('F73 the client of retained work leaves: nothing is cancelled, and it settles with the work', () => {
  const { pipeline, release, seen } = given()
  pipeline.request().depart()
  expect(seen()).toEqual({ departures: 1, cancelled: 0, settled: 0, pins: 1 })
  expect(pipeline.active.size).toBe(1)
  release(true)
  expect(seen()).toEqual({ departures: 1, cancelled: 0, settled: 1, pins: 0 })
  expect(pipeline.settled[0]?.outcome).toBe('client_cancelled')
})

test('F05 nobody is left who wants it: released unfinished, it is cancelled and settles', () => {
  const { pipeline, release, seen } = given()
  pipeline.request().depart()
  release(false)
  release(false)
  expect(seen()).toEqual({ departures: 1, cancelled: 1, settled: 1, pins: 0 })
})

test('a client that has all of its answer: the exchange settles when the work behind it is done', () => {
  const { pipeline, release, seen } = given()
  pipeline.request({ target: '/a?now' })
  expect(seen()).toEqual({ departures: 0, cancelled: 0, settled: 0, pins: 1 })
  release(true)
  expect(seen()).toEqual({ departures: 0, cancelled: 0, settled: 1, pins: 0 })
})
