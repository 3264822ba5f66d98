import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import { admin, at, configure, givenKong } from './support.ts'

let given: GivenGateway

beforeAll(async () => {
  given = await givenKong({ consumers: [{ username: 'before' }] })
})
afterAll(() => given[Symbol.asyncDispose]())

const WRONG = {
  services: [
    {
      name: 'svc',
      host: 'h',
      protocol: 'ftp',
      routes: [
        { name: 'first', paths: ['/a'] },
        { name: 'second', hosts: ['ok.test', 'a.*.b'], protocols: ['http'] },
        { name: 'third', tags: ['t1', 't2'] },
      ],
    },
  ],
}

describe('kong.md §1.8 the tree of errors', () => {
  test('mirrors the document; lists of errors are JSON arrays with null where nothing was wrong', async () => {
    const { status, json } = await configure(given, WRONG)
    expect(status).toBe(400)
    expect(at(json, 'fields')).toEqual({
      services: [
        {
          protocol: 'expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp',
          routes: [
            null,
            { hosts: [null, 'invalid wildcard: must be placed at leftmost or rightmost label'] },
            {
              '@entity': [
                "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'",
              ],
            },
          ],
        },
      ],
    })
  })

  test('the message is the same tree in Lua, which counts from 1', async () => {
    const { json } = await configure(given, WRONG)
    expect(json).toMatchObject({ code: 14, name: 'invalid declarative configuration' })
    expect(at(json, 'message')).toBe(
      'declarative config is invalid: {services={{' +
        'protocol="expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp",' +
        'routes={[2]={hosts={[2]="invalid wildcard: must be placed at leftmost or rightmost label"}},' +
        "[3]={[\"@entity\"]={\"must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'\"}}}}}}",
    )
  })

  test('a dangling reference has the name of the child in place of its number', async () => {
    const { json } = await configure(given, {
      routes: [{ name: 'r', paths: ['/a'], service: 'nope' }],
    })
    expect(at(json, 'fields')).toEqual({
      routes: { r: { service: "invalid reference 'service: nope' (no such entry in 'services')" } },
    })
  })

  test('nothing of a refused configuration is in use', async () => {
    await configure(given, { ...WRONG, consumers: [{ username: 'after' }] })
    const { json } = await admin(given, '/consumers')
    expect(at(json, 'data')).toMatchObject([{ username: 'before' }])
  })
})

describe('kong.md §4.4 flatten_errors', () => {
  test.each(['1', 'true', 'on', 'yes'])(
    '=%s: one entry per entity, nested ones hoisted',
    async (word) => {
      const { json } = await configure(given, WRONG, `?flatten_errors=${word}`)
      expect(at(json, 'flattened_errors')).toEqual([
        {
          entity_type: 'service',
          entity_name: 'svc',
          entity: { name: 'svc', host: 'h', protocol: 'ftp' },
          errors: [
            {
              type: 'field',
              field: 'protocol',
              message: 'expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp',
            },
          ],
        },
        {
          entity_type: 'route',
          entity_name: 'second',
          entity: { name: 'second', hosts: ['ok.test', 'a.*.b'], protocols: ['http'] },
          errors: [
            {
              type: 'field',
              field: 'hosts.2',
              message: 'invalid wildcard: must be placed at leftmost or rightmost label',
            },
          ],
        },
        {
          entity_type: 'route',
          entity_name: 'third',
          entity_tags: ['t1', 't2'],
          entity: { name: 'third', tags: ['t1', 't2'] },
          errors: [
            {
              type: 'entity',
              message:
                "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'",
            },
          ],
        },
      ])
      expect(at(json, 'fields')).toEqual({})
    },
  )

  test('the tree keeps what belongs to no entity', async () => {
    const { json } = await configure(given, { ...WRONG, nonsense: 1 }, '?flatten_errors=1')
    expect(at(json, 'fields')).toEqual({ nonsense: 'unknown field' })
  })

  test('=0, and any other word: no flattened errors', async () => {
    for (const word of ['0', 'no', '']) {
      const { json } = await configure(given, WRONG, `?flatten_errors=${word}`)
      expect(json).not.toHaveProperty('flattened_errors')
    }
  })

  test('an id, a name or tags that are themselves wrong are left out', async () => {
    const { json } = await configure(
      given,
      { services: [{ id: 'x', name: 'a b', tags: ['a,b'], host: 'h' }] },
      '?flatten_errors=1',
    )
    const [flat] = at(json, 'flattened_errors') as object[]
    expect(flat).not.toHaveProperty('entity_id')
    expect(flat).not.toHaveProperty('entity_name')
    expect(flat).not.toHaveProperty('entity_tags')
    expect(at(flat, 'errors')).toHaveLength(3)
  })
})
