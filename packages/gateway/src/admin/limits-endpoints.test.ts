import { describe, expect, test } from 'vitest'
import type { LimitReading, LimitsQuestion } from './limits-administration.ts'
import { givenAdmin, type GivenDependencies } from './testing/given-admin.ts'

const CONSUMER_ID = '0b0fa5b6-7a2e-4bd0-a6e7-0b6d8d6f7c11'
const CONFIGURATION = `_format_version: "3.0"
services: [{name: chat, url: 'http://127.0.0.1:1'}]
consumers: [{id: ${CONSUMER_ID}, username: alice, tags: [team-a]}]
`

const READING: LimitReading = {
  id: 'budget:day',
  quantity: 'nano_dollars',
  window: { kind: 'calendar', period: 'day', timeZone: undefined },
  limit: 1000,
  mode: 'enforce',
  store: 'memory',
  scopes: [
    { scope: CONSUMER_ID, used: 10, remaining: 990, resetMs: 1.5, unknown: false },
    { scope: 'away', used: 0, remaining: 0, resetMs: 0, unknown: true },
  ],
}

async function given(more: GivenDependencies = {}) {
  const questions: LimitsQuestion[] = []
  const resets: (readonly [string | undefined, string])[] = []
  const admin = givenAdmin({
    limits: {
      read: async (question) => {
        questions.push(question)
        return question.meter === undefined || question.meter === READING.id ? [READING] : []
      },
      reset: async (meter, scope) => {
        resets.push([meter, scope])
        return meter === 'unknown' ? 0 : 1
      },
    },
    ...more,
  })
  await admin.load(CONFIGURATION)
  return { admin, questions, resets }
}

describe('GET /limits', () => {
  test('lists the limits and what is counted, with the names of scopes', async () => {
    const { admin, questions } = await given()
    const answer = await admin.call('GET', '/limits')
    expect([answer.status, answer.json()]).toEqual([
      200,
      {
        data: [
          {
            id: 'budget:day',
            quantity: 'nano_dollars',
            window: { kind: 'calendar', period: 'day', time_zone: 'UTC' },
            limit: 1000,
            mode: 'enforce',
            store: 'memory',
            scopes: [
              { scope: CONSUMER_ID, name: 'alice', used: 10, remaining: 990, reset_ms: 2 },
              { scope: 'away', unknown: true },
            ],
          },
        ],
        next: null,
      },
    ])
    expect(questions[0]?.candidates).toEqual(expect.arrayContaining([CONSUMER_ID, 'tag:team-a']))
  })

  test('of one consumer, by name or id, or of one scope', async () => {
    const { admin, questions } = await given()
    const answer = await admin.call('GET', '/limits?consumer=alice&scope=team-a')
    expect(questions).toEqual([
      {
        meter: undefined,
        asked: ['team-a'],
        candidates: [CONSUMER_ID, `consumer:${CONSUMER_ID}`],
      },
    ])
    expect(answer.json()).toMatchObject({ data: [{ scopes: [{ name: 'alice', used: 10 }] }] })
    const unknown = await admin.call('GET', '/limits?consumer=nobody')
    expect([unknown.status, unknown.text]).toEqual([
      404,
      '{"message":"there is no consumer \'nobody\'"}',
    ])
  })

  test('a consumer among other parts of a scope is found, one without use says so', async () => {
    const combined = `consumer:${CONSUMER_ID}|model:gpt-4.1`
    const scopes = [{ scope: combined, used: 1, remaining: 2, resetMs: 3, unknown: false }]
    const { admin } = await given({
      limits: {
        read: async () => [
          { ...READING, scopes },
          { ...READING, id: 'other', scopes: [] },
        ],
        reset: async () => 1,
      },
    })
    expect((await admin.call('GET', '/limits?consumer=alice')).json()).toMatchObject({
      data: [
        { scopes: [{ scope: combined, name: 'alice | model:gpt-4.1', used: 1 }] },
        { scopes: [{ scope: CONSUMER_ID, name: 'alice', used: 0, remaining: 1000 }] },
      ],
    })
  })

  test('of one meter; one that is not there is 404', async () => {
    const { admin } = await given()
    expect((await admin.call('GET', '/limits/budget%3Aday')).status).toBe(200)
    expect((await admin.call('GET', '/limits/other')).status).toBe(404)
  })
})

describe('DELETE /limits', () => {
  test('forgets what was counted for a consumer, in all meters or one', async () => {
    const { admin, resets } = await given()
    const answer = await admin.call('DELETE', '/limits?consumer=alice')
    expect([answer.status, answer.json()]).toEqual([
      200,
      { reset: { meters: 1, scopes: [CONSUMER_ID] } },
    ])
    await admin.call('DELETE', '/limits/budget%3Aday?scope=x')
    expect(resets).toEqual([
      [undefined, CONSUMER_ID],
      [undefined, `consumer:${CONSUMER_ID}`],
      ['budget:day', 'x'],
    ])
  })

  test('needs to know whose', async () => {
    const { admin, resets } = await given()
    expect((await admin.call('DELETE', '/limits')).status).toBe(400)
    expect((await admin.call('DELETE', '/limits/unknown?scope=x')).status).toBe(404)
    expect(resets).toEqual([['unknown', 'x']])
  })

  test('S36 is for administrators only', async () => {
    const { admin, resets } = await given({ adminToken: 'token' })
    for (const method of ['GET', 'DELETE'])
      expect((await admin.call(method, '/limits?scope=x')).status).toBe(401)
    expect(resets).toEqual([])
  })
})

test('any other method is told which there are', async () => {
  const { admin } = await given()
  const answer = await admin.call('POST', '/limits')
  expect([answer.status, answer.headers['Allow'] ?? answer.headers['allow']]).toEqual([
    405,
    'GET, HEAD, DELETE',
  ])
})
