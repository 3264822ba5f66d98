import { describe, expect, test } from 'vitest'
import { createNoteKey } from '../exchange.ts'
import { definePlugin, type ConfigSchema, type Plugin } from '../plugin.ts'
import { refuse } from '../reply.ts'
import { describePlugin } from './describe-plugin.ts'
import type { ConformanceOptions } from './conformance-options.ts'
import { pluginChecks } from './plugin-checks.ts'

interface GateConfig {
  readonly header: string
  readonly word: string
}

/** A schema without a library, so that the suite is tested apart from any. */
const schema: ConfigSchema<GateConfig> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return { issues: [{ message: 'expected a record' }] }
      }
      const { header, word = 'open', ...rest } = value as Record<string, unknown>
      const unknown = Object.keys(rest).map((key) => ({ message: 'unknown field', path: [key] }))
      if (unknown.length > 0) return { issues: unknown }
      if (typeof header !== 'string') {
        return { issues: [{ message: 'required field missing', path: ['header'] }] }
      }
      return { value: { header, word: String(word) } }
    },
  },
}

const SEEN = createNoteKey<string>('seen')

const gate = definePlugin<GateConfig>({
  name: 'gate',
  priority: 5,
  schema,
  create: ({ header, word }) => ({
    access(exchange) {
      const value = exchange.request.headers.get(header)
      if (value === 'closed') return refuse(403, 'gate_closed', `The gate is ${value}`)
      exchange.setNote(SEEN, value ?? word)
      exchange.upstream.headers.set('X-Gate', word)
      return undefined
    },
    responseHeaders(exchange, head) {
      head.headers.set('X-Gate-Seen', exchange.note(SEEN) ?? 'nothing')
    },
  }),
})

const options: ConformanceOptions = {
  validConfig: { header: 'x-gate' },
  defaults: { word: 'open' },
  invalidConfigs: [{ config: {}, message: 'required field missing', path: 'header' }],
  refusals: [
    {
      name: 'the header says so',
      exchange: { headers: { 'X-Gate': 'closed' } },
      status: 403,
      code: 'gate_closed',
      message: 'The gate is closed',
    },
  ],
}

describePlugin(gate, options)

/** The names of the checks that a plugin fails. */
async function failures(broken: Partial<typeof gate>, more = options): Promise<readonly string[]> {
  const failed: string[] = []
  for (const check of pluginChecks({ ...gate, ...broken }, more)) {
    try {
      await check.run()
    } catch {
      failed.push(check.name)
    }
  }
  return failed
}

describe('the conformance suite fails a plugin that', () => {
  const create = (plugin: Plugin) => ({ create: () => plugin })

  test('accepts unknown fields, or anything at all', async () => {
    const anything: ConfigSchema<GateConfig> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({ value: { header: 'x-gate', word: 'open' } }),
      },
    }
    expect(await failures({ schema: anything })).toEqual([
      'refuses an unknown field by its name',
      'refuses a configuration that is not a record',
      'refuses {} with "required field missing"',
    ])
  })

  test('leaves a timer behind', async () => {
    let timer: NodeJS.Timeout | undefined
    const failed = await failures(
      {
        create: () => {
          timer ??= setInterval(() => undefined, 60_000)
          return {}
        },
      },
      { validConfig: options.validConfig },
    )
    clearInterval(timer)
    expect(failed).toContain(
      'is created without timers, sockets or promises, and can be disposed of',
    )
  })

  test('keeps one exchange in a variable of the instance', async () => {
    let last: string | undefined
    const failed = await failures(
      create({
        access(exchange) {
          last ??= exchange.consumer?.username
          return undefined
        },
        responseHeaders: (_exchange, head) => {
          if (last !== undefined) head.headers.set('X-Consumer', last)
        },
      }),
    )
    expect(failed).toContain('carries nothing from one exchange into another')
    expect(failed).toContain('keeps two exchanges apart that run at the same time')
  })

  test('reads the clock of the machine, or its dice', async () => {
    const name = 'takes time and randomness from its context only'
    expect(await failures(create({ responseHeaders: () => void Date.now() }))).toContain(name)
    expect(await failures(create({ log: () => void Math.random() }))).toContain(name)
  })

  test('needs an access that a refusal skipped', async () => {
    const failed = await failures(
      create({
        responseHeaders(exchange) {
          if (exchange.note(SEEN) === undefined) throw new Error('no note')
        },
      }),
    )
    expect(failed).toContain(
      'passes its response phases and log when its access never ran, whatever the outcome',
    )
  })

  test('S22 shows the caller’s key', async () => {
    const failed = await failures(
      create({
        access(exchange) {
          exchange.annotate('key', exchange.request.headers.get('authorization'))
          return undefined
        },
      }),
    )
    expect(failed).toContain(
      'S22 puts no credential of the caller into log lines, metrics or answers',
    )
  })

  test('refuses with another status or code than documented, or lets pass', async () => {
    const name = 'answers 403 gate_closed: the header says so'
    const bare = { validConfig: options.validConfig, refusals: options.refusals ?? [] }
    expect(
      await failures(create({ access: () => refuse(500, 'gate_closed', 'x') }), bare),
    ).toContain(name)
    expect(await failures(create({ access: () => refuse(403, 'other', 'x') }), bare)).toContain(
      name,
    )
    expect(await failures(create({}), bare)).toContain(name)
  })

  test('takes a method off its object, as no instance of a class allows', async () => {
    const failed = await failures(
      create({
        access: (exchange) => {
          // oxlint-disable-next-line typescript/unbound-method -- this is the mistake
          const { annotate } = exchange
          annotate('x', 1)
          return undefined
        },
      }),
    )
    expect(failed).toContain('passes every phase on the barest request there is')
  })

  test('asks for holds without being able to refuse', async () => {
    expect(await failures(create({ holds: () => [] }))).toContain(
      'implements `refused` when it asks for holds',
    )
  })
})
