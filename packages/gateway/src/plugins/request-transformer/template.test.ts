import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compileTemplate,
  referencesIn,
  renderTemplate,
  TemplateError,
  type Reference,
} from './template.ts'

const VALUES: Readonly<Record<string, string>> = {
  'headers.x-user': 'alice',
  'headers.empty': '',
  'query_params.page': '7',
  'uri_captures.1': 'first',
  'uri_captures.id': '42',
}
const resolve = ({ source, key }: Reference) => VALUES[`${source}.${key}`]
const render = (text: string) => renderTemplate(compileTemplate(text), resolve)

describe('kong.md §3.13 templates', () => {
  test('read headers, arguments and captures, by name, by quoted name and by number', () => {
    const cases: [template: string, text: string][] = [
      ['plain', 'plain'],
      ['', ''],
      ['$(headers["x-user"])', 'alice'],
      ["<$( headers[ 'x-user' ] )>", '<alice>'],
      ['$(query_params.page)/$(uri_captures[1])-$(uri_captures.id)', '7/first-42'],
      ['$(uri_captures["id"])', '42'],
      ['cost $5 and 100$', 'cost $5 and 100$'],
      ['$$(query_params.page)', '$7'],
      ['$(query_params.page))', '7)'],
    ]
    for (const [template, text] of cases)
      expect([template, render(template)]).toEqual([template, text])
  })

  test('what is absent stands for nothing, or for the first alternative with a value', () => {
    expect(render('[$(headers.none)]')).toBe('[]')
    expect(render("$(headers.none or 'fallback')")).toBe('fallback')
    expect(render('$(headers.none or query_params.none or uri_captures.id or "x")')).toBe('42')
    expect(render("$(headers.empty or 'fallback')")).toBe('')
    expect(render("$(shared.anything or 'none')")).toBe('none')
    expect(render("$('just text')")).toBe('just text')
    expect(render("$(headers.none or 'it''s')".replace("''", String.raw`\'`))).toBe("it's")
    expect(render(String.raw`$(headers.none or "a\"b\\c\n")`)).toBe('a"b\\c\n')
    expect(render("$(headers.order or 'o')")).toBe('o')
  })

  test('S15 anything that would need code is refused when the file is read, with what is understood', () => {
    for (const template of [
      '$(',
      '$()',
      '$(headers)',
      '$(headers.)',
      '$(headers[x])',
      '$(headers["x")',
      '$(headers.x:upper())',
      '$(headers.x .. "y")',
      '$(headers.x and "y")',
      '$(headers.x or)',
      '$(headers.x orx)',
      '$(os.execute("id"))',
      '$(ngx.say("x"))',
      '$((function() return 1 end)())',
      '$(1 + 1)',
      '$(headers.x',
      '$("open)',
      '$(uri_captures[-1])',
    ]) {
      expect(() => compileTemplate(template)).toThrow(TemplateError)
    }
    expect(() => compileTemplate('a $(os.time())')).toThrow(
      "failed to compile template '$(os.time())': a value is headers, query_params, uri_captures, shared or quoted text",
    )
  })

  test('compiling never throws anything else, and text without $( is itself', () => {
    const pieces = fc.constantFrom(
      '$(',
      ')',
      'headers',
      '.',
      'x',
      '[',
      ']',
      '"',
      "'",
      ' or ',
      '1',
      '\\',
      'ü',
    )
    fc.assert(
      fc.property(
        fc.array(pieces).map((all) => all.join('')),
        (text) => {
          try {
            const rendered = render(text)
            if (!text.includes('$(')) expect(rendered).toBe(text)
          } catch (error) {
            expect(error).toBeInstanceOf(TemplateError)
          }
        },
      ),
    )
  })

  test('any text in quotes and any name in brackets are read back as they are', () => {
    const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
    fc.assert(
      fc.property(fc.string(), fc.string(), (name, text) => {
        const template = compileTemplate(`$(headers[${quoted(name)}] or ${quoted(text)})`)
        expect(referencesIn(template)).toEqual([{ source: 'headers', key: name }])
        expect(renderTemplate(template, () => undefined)).toBe(text)
        expect(renderTemplate(template, () => 'found')).toBe('found')
      }),
    )
  })

  test('only what came from the request is encoded', () => {
    const template = compileTemplate("a b/$(headers['x-user'])/$(headers.none or 'c d')")
    expect(renderTemplate(template, resolve, (value) => value.toUpperCase())).toBe('a b/ALICE/c d')
  })
})
