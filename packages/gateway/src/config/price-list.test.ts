import { describe, expect, test } from 'vitest'
import { NodeSettingsError, readNodeSettings } from './node/read-node-settings.ts'
import { parsePriceList } from './price-list.ts'

const problems = (text: string): unknown => {
  const parsed = parsePriceList(text, 'prices.yml')
  return parsed.ok
    ? []
    : parsed.problems.map(({ line, column, path, message, hint }) => ({
        at: `${line}:${column}`,
        path,
        message,
        ...(hint === undefined ? {} : { hint }),
      }))
}

describe('mistakes in a file of prices are told with their place', () => {
  test.each([
    [
      'a price that is no number',
      'prices:\n- model: m\n  input: "3"\n',
      {
        at: '3:10',
        path: 'prices[0].input',
        message: 'expected a number',
        hint: 'write it without quotes: 3',
      },
    ],
    [
      'a field that does not exist',
      'prices:\n- model: m\n  input: 3\n  ouput: 4\n',
      {
        at: '4:3',
        path: 'prices[0].ouput',
        message: 'unknown field',
        hint: "did you mean 'output'?",
      },
    ],
    [
      'no model',
      'prices:\n- input: 3\n',
      { at: '2:3', path: 'prices[0].model', message: 'required field missing' },
    ],
    [
      'a negative price',
      'prices:\n- {model: m, input: -1}\n',
      { at: '2:21', path: 'prices[0].input', message: 'value should be between 0 and 10000' },
    ],
    [
      'a price in another unit',
      'prices:\n- {model: m, input: 3000000}\n',
      { at: '2:21', path: 'prices[0].input', message: 'value should be between 0 and 10000' },
    ],
    [
      'what is no YAML',
      'prices: [',
      { path: '', at: expect.stringMatching(/^1:/), message: expect.any(String) },
    ],
    ['a list', '- 1\n', { at: '1:3', path: '', message: 'expected a record' }],
  ])('%s', (_name, text, expected) => {
    expect(problems(text)).toContainEqual(expected)
  })

  test('no price at all', () => {
    expect(problems('prices:\n- model: m\n')).toEqual([
      {
        at: '2:3',
        path: 'prices[0]',
        message: "at least one of these fields must be non-empty: 'input', 'output', 'request'",
      },
    ])
  })
})

test('JSON is read as well, and an empty file changes nothing', () => {
  expect(parsePriceList('{"prices":[{"model":"m","input":1}]}', 'p.json')).toMatchObject({
    ok: true,
    list: { models: [{ models: ['m'], rates: [{ abovePromptTokens: -1, rates: { input: 1 } }] }] },
  })
  expect(parsePriceList('{}', 'p.yml')).toMatchObject({
    ok: true,
    list: { models: [], hosts: [], guessByModel: true },
  })
})

describe('PRATU_PRICES_FILE', () => {
  const settings = (text: string | undefined) =>
    readNodeSettings(
      {},
      { PRATU_PRICES_FILE: '/etc/prices.yml' },
      {
        hostname: 'h',
        cpus: 1,
        memoryLimitBytes: undefined,
        namespace: undefined,
        readText: (path) => {
          if (text === undefined) throw new Error(`no such file: ${path}`)
          return text
        },
      },
    ).settings

  test('is read with the settings', () => {
    expect(settings('prices: [{model: m, input: 1}]').prices?.models).toHaveLength(1)
  })

  test.each([
    ['that is missing', undefined, 'PRATU_PRICES_FILE: /etc/prices.yml cannot be read'],
    ['with a mistake', 'prices: [{model: m, input: -1}]', '/etc/prices.yml:1:28'],
  ])('%s stops the start', (_name, text, message) => {
    expect(() => settings(text)).toThrow(NodeSettingsError)
    expect(() => settings(text)).toThrow(message)
  })
})
