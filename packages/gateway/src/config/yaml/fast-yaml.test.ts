import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { parseFastYaml, UNUSUAL } from './fast-yaml.ts'
import { readPositionedYaml } from './positioned-yaml.ts'

const limits = { maxAliases: 1000, maxDepth: 20 }
const RUNS = Number(process.env['FAST_YAML_RUNS'] ?? 3000)

/** The fast reader may give up, but what it answers is what the careful one answers. */
function expectAgreement(text: string): boolean {
  const fast = parseFastYaml(text, limits.maxDepth)
  if (fast === UNUSUAL) return false
  const careful = readPositionedYaml(text, limits)
  expect({ text, problems: careful.problems }).toEqual({ text, problems: [] })
  expect({ text, root: fast }).toEqual({ text, root: careful.root })
  return true
}

const scalar = fc.oneof(
  fc.constantFrom(
    'yes',
    'No',
    'ON',
    'off',
    'true',
    'null',
    '~',
    'y',
    '0755',
    '0x1F',
    '1:30',
    '1_000',
    '3.0',
    '.5',
    '1e3',
    '-',
    '-1',
    '--',
    '2001-12-14',
    '.inf',
    '.NaN',
    '08',
    'a b',
    'a#b',
    'a: b',
    'a:b',
    'a #b',
    'http://h:80/p?q=1',
    '*.example.com',
    '&x',
    '!t',
    '@x',
    '%x',
    '`x',
    '?x',
    ':x',
    '|',
    '>',
    ',',
    '[a',
    '"q"',
    "'q'",
    '"a\\n"',
    "'it''s'",
    '$(NAME)',
    '{vault://env/x}',
    '[a, b]',
    '[a,b]',
    '{a: b}',
    '{a: [1, "x"]}',
    '[ ]',
    '{ }',
    '[a, ]',
    '[[a], {b: c}]',
    '~/v\\d+',
    'é',
    'ü: ö',
    '<<',
    '=',
    '- x',
    'a -',
    'a,b',
    '[a: b]',
    '{a: b',
    'a]',
    "it's",
    'say "x"',
    '- ',
    'x:',
    '...',
    '---',
    '# c',
    '"x" # c',
    '"x"# c',
    '[a] # c',
    '[a]# c',
    "''",
    '""',
    '0b11',
    '0o17',
    '+1',
    '1.',
    '-.5',
    '190:20:30',
    '[-1, a-b, ~]',
    '[/a/b, *.x]',
    '{"k": v}',
    '{k: }',
    '{k}',
  ),
  fc.stringMatching(/^[a-z:#\-?[\]{}, "'.0-9]{0,8}$/),
)

const key = fc.oneof(
  fc.constantFrom(
    'name',
    'a',
    'b',
    'x-y',
    '"q"',
    "'s'",
    '1',
    'on',
    'null',
    '<<',
    'a b',
    '-k',
    '.k',
    '_k',
    'ü',
    '"a:b"',
    '?',
    '~',
  ),
  fc.stringMatching(/^[a-z]{1,2}$/),
)

const line = fc
  .tuple(
    fc.constantFrom(0, 0, 1, 2, 2, 3, 4, 4, 6),
    fc.oneof(
      fc.tuple(key, scalar).map(([k, v]) => `${k}: ${v}`),
      key.map((k) => `${k}:`),
      scalar.map((v) => `- ${v}`),
      fc.tuple(key, scalar).map(([k, v]) => `- ${k}: ${v}`),
      key.map((k) => `- ${k}:`),
      scalar,
      fc.constantFrom(
        '-',
        '',
        '# comment',
        '---',
        '...',
        '- - a',
        '-   k: v',
        'k:   v  ',
        '&a',
        '*a',
      ),
    ),
  )
  .map(([indent, content]) => ' '.repeat(indent) + content)

describe('the fast reader agrees with the careful one', () => {
  test('on any mixture of lines', () => {
    let answered = 0
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        if (expectAgreement(lines.join('\n'))) answered++
      }),
      { numRuns: RUNS },
    )
    expect(answered).toBeGreaterThan(RUNS / 50)
  })

  test('on any single value', () => {
    fc.assert(
      fc.property(key, scalar, scalar, (k, v, w) => {
        expectAgreement(`${k}: ${v}\n`)
        expectAgreement(`l:\n- ${v}\n- ${w}\n`)
        expectAgreement(`l: [${v}, ${w}]\n`)
        expectAgreement(`l: {a: ${v}, b: ${w}}\nm: 1`)
      }),
      { numRuns: RUNS },
    )
  })

  test('on well-formed documents, and answers them', () => {
    const tree = fc.letrec((tie) => ({
      node: fc.oneof({ maxDepth: 4 }, tie('leaf'), tie('list'), tie('map')),
      leaf: fc.oneof(
        fc.constantFrom('text', '10', 'true', '"quoted: text"', '/v1/chat', 'http://a:80/b'),
      ),
      list: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
      map: fc.dictionary(fc.stringMatching(/^[a-z_]{1,6}$/), tie('node'), {
        minKeys: 1,
        maxKeys: 4,
      }),
    })).map
    fc.assert(
      fc.property(tree, fc.boolean(), (value, flush) => {
        const text = `# head\n${render(value, 0, flush)}\n`
        expect(expectAgreement(text)).toBe(!text.includes('- - '))
      }),
      { numRuns: RUNS / 5 },
    )
  })
})

function render(value: unknown, indent: number, flush: boolean): string {
  const pad = ' '.repeat(indent)
  if (Array.isArray(value))
    return value
      .map((item) => {
        const text = render(item, indent + 2, flush)
        return typeof item === 'string' ? `${pad}- ${text}` : `${pad}- ${text.trimStart()}`
      })
      .join('\n')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, member]) => {
      if (typeof member === 'string') return `${pad}${name}: ${member}`
      const deeper = Array.isArray(member) && flush ? indent : indent + 2
      return `${pad}${name}:\n${render(member, deeper, flush)}`
    })
    .join('\n')
}

test('gives up on what needs the careful reader', () => {
  for (const text of [
    'a: &x 1\nb: *x',
    'a: |\n  text',
    'a: b\n  c',
    '%YAML 1.1\n---\na: 1',
    'a: 1\n---\nb: 2',
    'a:\t1',
    'a: 1\r\nb: 2',
    '__proto__: 1',
    'a: 1\na: 2',
    '? a\n: b',
    'a: !!str 1',
    'a: [1,\n  2]',
  ])
    expect(parseFastYaml(text, 20)).toBe(UNUSUAL)
})

test('reads comments, blank lines, a start marker and lists at their key’s indentation', () => {
  const text = `---
# services
services:   # all of them
- name: a  # first

  paths: [/x, "/y z"]
  tags: {}
-
  name: b
  empty:
`
  expect(parseFastYaml(text, 20)).toEqual({
    services: [
      { name: 'a', paths: ['/x', '/y z'], tags: {} },
      { name: 'b', empty: null },
    ],
  })
})
