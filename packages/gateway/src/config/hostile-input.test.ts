import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { renderDiagnostics } from './render-diagnostics.ts'
import { accept, parse, refuse } from './testing/parse.ts'

const head = '_format_version: "3.0"\n'

function firstProblem(text: string, options: Parameters<typeof parse>[1] = {}) {
  const parsed = parse(text, options)
  if (parsed.ok) throw new Error('the configuration was accepted')
  return parsed.problems[0]
}

describe('S24 names that reach a prototype', () => {
  test.each([
    ['a block mapping', `${head}services:\n- name: s\n  __proto__: {polluted: 1}\n`],
    ['a flow mapping', `${head}services: [{name: s, constructor: {prototype: {polluted: 1}}}]\n`],
    ['quoted', `${head}"__proto__": {polluted: 1}\n`],
    ['escaped', `${head}"\\x5f_proto__": {polluted: 1}\n`],
    ['JSON', '{"_format_version": "3.0", "__proto__": {"polluted": 1}}'],
    ['a merge key', `${head}_ignore: [&a {prototype: 1}]\nservices: [{<<: *a, host: h}]\n`],
    ['a free mapping', `${head}routes: [{headers: {__proto__: [a]}}]\n`],
  ])('are refused in %s', (_what, text) => {
    expect(firstProblem(text)).toMatchObject({
      code: 'refused-key',
      message: expect.stringMatching(
        /^the field name '(?:__proto__|constructor|prototype)' is not allowed$/,
      ),
      line: expect.any(Number),
    })
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  test('names of Object’s own methods are ordinary names', () => {
    expect(refuse('services: [{host: h, toString: 1, hasOwnProperty: 2}]')).toEqual([
      'services[0].toString: unknown field',
      'services[0].hasOwnProperty: unknown field',
    ])
    const { consumers } = accept('consumers: [{username: constructor}, {username: __proto__}]')
    expect(consumers).toHaveLength(2)
    expect(
      refuse('services: [{host: h, provider: toString}]\nplugins: [{name: constructor}]'),
    ).toEqual([
      "services[0].provider: invalid reference 'provider: toString' (no such entry in 'providers')",
      "plugins[0].name: plugin 'constructor' not enabled; add it to the 'plugins' configuration property",
    ])
  })
})

describe('F55 limits', () => {
  test('a file that is too large is refused before it is read', () => {
    const startedAt = performance.now()
    const problem = firstProblem(`${head}#${'x'.repeat(10 * 1024 * 1024)}`)
    expect(problem).toMatchObject({
      code: 'limit',
      file: 'kong.yml',
      line: 1,
      message: 'the configuration has more than 8388608 bytes',
      hint: expect.stringContaining('PRATU_CONFIG_MAX_BYTES'),
    })
    expect(performance.now() - startedAt).toBeLessThan(500)
    expect(firstProblem(`${head}services: []`, { limits: { maxBytes: 20 } })).toMatchObject({
      code: 'limit',
    })
  })

  test('an alias bomb is refused at the alias that goes too far', () => {
    const levels = Array.from({ length: 9 }, (_, i) => {
      const from = i === 0 ? '"lol"' : `*l${i - 1}`
      return `- &l${i} [${Array.from({ length: 9 }, () => from).join(', ')}]`
    })
    const startedAt = performance.now()
    expect(firstProblem(`${head}_ignore:\n${levels.join('\n')}\n`)).toMatchObject({
      code: 'limit',
      message: 'aliases expand to more than 200000 values',
      line: expect.any(Number),
    })
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })

  test('an alias to what it is part of is refused', () => {
    expect(firstProblem(`${head}_ignore: &a [*a]\n`)).toMatchObject({
      message: "there is no anchor '&a' before this alias",
    })
  })

  test('ten thousand routes may share one anchored configuration', () => {
    const routes = Array.from(
      { length: 5000 },
      (_, i) => `- {name: r${i}, paths: [/r${i}], plugins: [*limit]}`,
    )
    const text = `${head}_ignore: [&limit {name: rate-limiting, config: {minute: 5, redis: {host: h}}}]\nroutes:\n${routes.join('\n')}\n`
    expect(parse(text)).toMatchObject({ ok: true })
  })

  test.each([
    ['flow lists', `${head}_ignore: ${'['.repeat(100)}${']'.repeat(100)}`],
    ['a hundred thousand brackets', `${head}_ignore: ${'['.repeat(100_000)}`],
    [
      'block lists',
      `${head}_ignore:\n${Array.from({ length: 100 }, (_, i) => `${' '.repeat(i)}- \n`).join('')}`,
    ],
    ['JSON', `{"_format_version": "3.0", "_ignore": ${'['.repeat(5000)}${']'.repeat(5000)}}`],
  ])('too deep: %s', (_what, text) => {
    expect(firstProblem(text)).toMatchObject({ code: expect.stringMatching(/^(?:limit|syntax)$/) })
  })

  test('every example of bad configuration has one clear line with a place', () => {
    for (const body of [
      'services: [{name: s, host: h, unknown: 1}]',
      'services: [{name: s, url: "ht!tp://"}]',
      'routes: [{paths: ["~/(a"]}]',
      'services: [{name: s, host: $(MISSING)}]',
      'services: [{name: s, host: h}, {name: s, host: h}]',
      'services: [{name: s, host: 5}]',
    ]) {
      const problem = firstProblem(head + body)
      expect(problem).toMatchObject({ file: 'kong.yml', line: 2, column: expect.any(Number) })
      expect(problem?.message).not.toMatch(/\n|at .*\.ts:/)
    }
  })
})

describe('S28 patterns of configuration', () => {
  test('a pattern that would stop a backtracking engine is matched by a linear one; what that lacks is refused', () => {
    accept('routes: [{paths: ["~/(a+)+$"]}]')
    for (const pattern of ['(?=a)', '(?<!a)', '(a)\\\\1', '(?>a)', 'a{1,100000}'])
      expect(refuse(`routes: [{paths: ["~/${pattern}"]}]`)[0]).toMatch(
        /^routes\[0\]\.paths\[0\]: invalid regex/,
      )
    expect(refuse('routes: [{headers: {x: ["~*(?=a)"]}}]')[0]).toMatch(
      /^routes\[0\]\.headers\.x\[0\]: invalid regex/,
    )
  })
})

describe('any text at all', () => {
  const fragment = fc.constantFrom(
    '_format_version',
    ': ',
    '"3.0"',
    '\n',
    '  ',
    '- ',
    'services',
    'name',
    '[',
    ']',
    '{',
    '}',
    ',',
    '&a',
    '*a',
    '<<',
    '!!int',
    '!x',
    '|',
    '>',
    '#',
    "'",
    '"',
    '\\',
    '\t',
    '\0',
    '\u{2028}',
    '\ud800',
    '?',
    '$(X)',
    '{vault://env/x}',
    '~',
    '%YAML',
    '---',
    '...',
    'é',
    '0x',
    'plugins',
    'config',
    'null',
  )

  test('is accepted or refused with places, never thrown at the caller', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join('')),
        ),
        fc.boolean(),
        (text, withHead) => {
          const parsed = parse(withHead ? head + text : text)
          const diagnostics = parsed.ok ? parsed.warnings : parsed.problems
          if (!parsed.ok) expect(diagnostics.length).toBeGreaterThan(0)
          for (const { line, column, message, excerpt } of diagnostics) {
            expect(line).toBeGreaterThanOrEqual(1)
            expect(column).toBeGreaterThanOrEqual(1)
            expect(message).not.toBe('')
            if (excerpt !== undefined) expect(excerpt.column).toBeGreaterThanOrEqual(1)
          }
          expect(renderDiagnostics(diagnostics, { colour: false })).not.toContain('\0')
        },
      ),
      { numRuns: 600 },
    )
  })

  test('structured garbage inside known collections is refused with a path', () => {
    const value = fc.jsonValue({ maxDepth: 3 })
    const collection = fc.constantFrom(
      'services',
      'routes',
      'upstreams',
      'targets',
      'consumers',
      'plugins',
      'keyauth_credentials',
      'certificates',
      'snis',
      'vaults',
      'providers',
      'acls',
      'ca_certificates',
    )
    const member = fc.constantFrom(
      'name',
      'host',
      'paths',
      'routes',
      'plugins',
      'config',
      'target',
      'targets',
      'headers',
      'key',
      'cert',
      'url',
      'service',
      'tags',
      'hosts',
      'username',
      'healthchecks',
      'api_key',
    )
    fc.assert(
      fc.property(
        collection,
        fc.array(fc.dictionary(member, value), { maxLength: 3 }),
        (name, rows) => {
          const parsed = parse(JSON.stringify({ _format_version: '3.0', [name]: rows }))
          if (!parsed.ok)
            expect(
              parsed.problems.every(({ path, code }) => path !== '' || code === 'refused-key'),
            ).toBe(true)
        },
      ),
      { numRuns: 600 },
    )
  })
})
