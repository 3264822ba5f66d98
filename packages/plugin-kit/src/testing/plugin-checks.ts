import assert from 'node:assert/strict'
import type { ErrorShape, Outcome } from '../exchange.ts'
import type { Plugin, PluginContext, PluginDefinition } from '../plugin.ts'
import type { Reply } from '../reply.ts'
import type { ConformanceOptions, PluginCheck, RefusalCase } from './conformance-options.ts'
import { deepFreeze } from './deep-freeze.ts'
import { FieldList } from './field-list.ts'
import { givenBody } from './given-body.ts'
import { givenContext, type ContextGiven, type TestContext } from './given-context.ts'
import { givenExchange, type TestExchange } from './given-exchange.ts'
import { parseConfig } from './parse-config.ts'
import { runExchange } from './run-exchange.ts'
import { schemaChecks } from './schema-checks.ts'

const OUTCOMES: readonly Outcome[] = [
  'ok',
  'client_cancelled',
  'client_stalled',
  'upstream_error',
  'upstream_timeout',
  'truncated',
  'rejected_something',
]

const SHAPES: readonly ErrorShape[] = ['kong', 'openai', 'anthropic', 'gemini', 'kong+openai']

/** What every plugin owes the gateway, as checks that any test runner can run. */
export function pluginChecks<Config>(
  definition: PluginDefinition<Config>,
  options: ConformanceOptions,
): readonly PluginCheck[] {
  const create = (context: PluginContext, config: unknown = options.validConfig): Plugin =>
    definition.create(deepFreeze(parseConfig(definition, config)), context)
  const context = (given: ContextGiven = {}): TestContext =>
    givenContext({ ...options.context, ...given })

  return [
    {
      name: 'has a name that a file can say, and a whole number as priority',
      run: () => {
        assert.match(definition.name, /^[a-z0-9]+(-[a-z0-9]+)*$/)
        assert.ok(Number.isSafeInteger(definition.priority), `priority ${definition.priority}`)
      },
    },
    ...schemaChecks(definition, options),
    ...creationChecks(create, context),
    ...phaseChecks(create, context),
    ...(options.refusals ?? []).map((refusal) => refusalCheck(create, context, refusal)),
  ]
}

type Create = (context: PluginContext, config?: unknown) => Plugin
type MakeContext = (given?: ContextGiven) => TestContext

function creationChecks(create: Create, context: MakeContext): readonly PluginCheck[] {
  return [
    {
      name: 'is created without timers, sockets or promises, and can be disposed of',
      run: async () => {
        const before = resources()
        const plugin = create(context())
        assert.ok(!(plugin instanceof Promise), 'create must answer synchronously')
        assert.deepEqual(resources(), before, 'create left a handle open')
        await plugin.dispose?.()
        assert.deepEqual(resources(), before, 'dispose left a handle open')
      },
    },
    {
      name: 'implements `refused` when it asks for holds',
      run: () => {
        const plugin = create(context())
        assert.ok(plugin.holds === undefined || plugin.refused !== undefined)
      },
    },
    {
      name: 'takes time and randomness from its context only',
      run: () => {
        const used = watchGlobals(() => {
          const plugin = create(context())
          const exchange = givenExchange()
          plugin.rewrite?.(exchange)
          plugin.holds?.(exchange)
          plugin.responseHeaders?.(exchange, { status: 200, headers: new FieldList() })
          plugin.log?.(exchange, 'ok')
        })
        assert.deepEqual(used, [], 'use context.clock and context.random')
      },
    },
  ]
}

function phaseChecks(create: Create, context: MakeContext): readonly PluginCheck[] {
  return [
    {
      name: 'passes every phase on the barest request there is',
      run: async () => {
        for (const errorShape of SHAPES) {
          const test = context()
          const exchange = givenExchange({
            errorShape,
            httpVersion: '1.0',
            route: null,
            service: null,
          })
          const result = await runExchange(create(test), exchange, {
            ledger: test.ledger,
            global: true,
          })
          checkReply(result.reply)
        }
      },
    },
    {
      name: 'passes its response phases and log when its access never ran, whatever the outcome',
      run: () => {
        for (const outcome of OUTCOMES) {
          const plugin = create(context())
          const exchange = givenExchange({ record: { status: outcome === 'ok' ? 200 : 0 } })
          const head = { status: 401, headers: new FieldList() }
          plugin.responseHeaders?.(exchange, head)
          plugin.responseBody?.(exchange, head)?.abandon?.()
          plugin.log?.(exchange, outcome)
        }
      },
    },
    {
      name: 'works when the body arrives late, is chunked, broken or absent',
      run: async () => {
        const headers = { 'Content-Type': 'application/json' }
        for (const body of [
          givenBody({ a: 1 }, { pending: true }),
          givenBody('{"a":', { chunked: true }),
          givenBody(''),
        ]) {
          const test = context()
          const exchange = givenExchange({ method: 'POST', headers, body })
          const result = await runExchange(create(test), exchange, { ledger: test.ledger })
          checkReply(result.reply)
        }
      },
    },
    {
      name: 'carries nothing from one exchange into another',
      run: async () => {
        const test = context()
        const plugin = create(test)
        const first = givenCanary('canary-one')
        await runExchange(plugin, first, { ledger: test.ledger, global: true })
        const second = givenCanary('canary-two')
        const result = await runExchange(plugin, second, { ledger: test.ledger, global: true })
        assert.ok(
          !inspect(second, result.reply, result.headers).includes('canary-one'),
          'the second exchange shows what belongs to the first',
        )
      },
    },
    {
      name: 'keeps two exchanges apart that run at the same time',
      run: async () => {
        const test = context()
        const plugin = create(test)
        const [one, two] = [givenCanary('canary-one'), givenCanary('canary-two')]
        await Promise.all([plugin.access?.(one), plugin.access?.(two)])
        for (const [exchange, foreign] of [
          [one, 'canary-two'],
          [two, 'canary-one'],
        ] as const) {
          const head = { status: 200, headers: new FieldList() }
          plugin.responseHeaders?.(exchange, head)
          plugin.log?.(exchange, 'ok')
          assert.ok(!inspect(exchange, undefined, head.headers).includes(foreign))
        }
      },
    },
    {
      name: 'S22 puts no credential of the caller into log lines, metrics or answers',
      run: async () => {
        const secret = 'canary-secret-7f3a'
        for (const name of [
          'Authorization',
          'apikey',
          'x-api-key',
          'Cookie',
          'Proxy-Authorization',
        ]) {
          const test = context()
          const exchange = givenExchange({ headers: { [name]: `Bearer ${secret}` } })
          const result = await runExchange(create(test), exchange, { ledger: test.ledger })
          const shown = JSON.stringify([
            test.logged,
            test.counted,
            [...exchange.annotations],
            result.headers.entries(),
            result.reply?.kind === 'refusal' ? result.reply : undefined,
          ])
          assert.ok(!shown.includes(secret), `the value of ${name} is shown`)
        }
      },
    },
  ]
}

function refusalCheck(create: Create, context: MakeContext, refusal: RefusalCase): PluginCheck {
  return {
    name: `answers ${refusal.status} ${refusal.code}: ${refusal.name}`,
    run: async () => {
      const test = context(refusal.context)
      const plugin = create(test, refusal.config)
      for (let i = 0; i < (refusal.after ?? 0); i++) {
        const passed = await runExchange(plugin, givenExchange(refusal.exchange), {
          ledger: test.ledger,
        })
        assert.equal(passed.reply, undefined, `request ${i + 1} should have passed`)
      }
      const { reply, proxied } = await runExchange(plugin, givenExchange(refusal.exchange), {
        ledger: test.ledger,
      })
      assert.ok(reply?.kind === 'refusal', 'the request was not refused')
      checkReply(reply)
      assert.equal(reply.status, refusal.status)
      assert.equal(reply.code, refusal.code)
      if (refusal.message !== undefined) assert.equal(reply.message, refusal.message)
      assert.equal(proxied, false)
    },
  }
}

function checkReply(reply: Reply | undefined): void {
  if (reply === undefined) return
  assert.ok(Number.isInteger(reply.status) && reply.status >= 100 && reply.status <= 999)
  // Constructing the list throws on a malformed name or value.
  assert.ok(new FieldList(reply.headers))
  if (reply.kind === 'answer') return
  assert.ok(reply.status >= 400, `a refusal with status ${reply.status}`)
  assert.match(reply.code, /^[a-z][a-z0-9_]*$/, 'codes are stable lower_case words')
  assert.notEqual(reply.message, '')
}

/** A request in which everything that identifies it contains `mark`. */
function givenCanary(mark: string): TestExchange {
  return givenExchange({
    method: 'GET',
    target: `/${mark}?q=${mark}`,
    headers: {
      'X-Canary': mark,
      'Kong-Request-ID': mark,
      'X-Request-Id': mark,
      'X-Consumer-Username': mark,
      Origin: `https://${mark}.test`,
      apikey: mark,
    },
    consumer: { id: `${mark}-id`, username: mark, groups: [mark] },
    credential: { id: `${mark}-credential` },
    route: { name: mark },
    service: { name: mark },
  })
}

function inspect(exchange: TestExchange, reply: Reply | undefined, headers: FieldList): string {
  return JSON.stringify([
    exchange.upstream.path,
    exchange.upstream.query,
    exchange.upstream.headers.entries(),
    exchange.consumer,
    exchange.credential,
    [...exchange.annotations],
    reply?.kind === 'refusal' ? reply : reply?.headers,
    headers.entries(),
  ])
}

function resources(): readonly string[] {
  return process.getActiveResourcesInfo().toSorted()
}

/** Runs `body` and tells which global sources of time and randomness it reached for. */
function watchGlobals(body: () => void): readonly string[] {
  const used = new Set<string>()
  const [now, random] = [Date.now, Math.random]
  Date.now = () => {
    used.add('Date.now')
    return now()
  }
  Math.random = () => {
    used.add('Math.random')
    return random()
  }
  try {
    body()
  } finally {
    Date.now = now
    Math.random = random
  }
  return [...used]
}
