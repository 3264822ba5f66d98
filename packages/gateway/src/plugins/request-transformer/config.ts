import { field } from '../../config/index.ts'
import { compileTemplate, TemplateError, type Template } from './template.ts'

/** A name and what it is set to. */
export interface Setting {
  readonly name: string
  readonly value: Template
}

export interface Renaming {
  readonly from: string
  readonly to: string
}

/** Edits of one part of a request, in the order in which they are made. */
export interface Edits {
  readonly remove: readonly string[]
  readonly rename: readonly Renaming[]
  readonly replace: readonly Setting[]
  readonly add: readonly Setting[]
  readonly append: readonly Setting[]
}

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/

/** `name:value`, Kong's way: colons between the two do not count. */
function split(item: string): readonly [name: string, value: string] {
  const colon = item.indexOf(':')
  if (colon <= 0) return [item, '']
  return [item.slice(0, colon), item.slice(colon).replace(/^:+/, '')]
}

function valueProblem(item: string): string | undefined {
  const [name, value] = split(item)
  if (name === '' || value === '') return `key '${name}' has no value`
  return templateProblem(value)
}

function templateProblem(text: string): string | undefined {
  try {
    compileTemplate(text)
    return undefined
  } catch (error) {
    if (error instanceof TemplateError) return error.message
    throw error
  }
}

function headerProblem(item: string): string | undefined {
  const [name] = split(item)
  return HEADER_NAME.test(name) ? undefined : `'${name}' is not a valid header`
}

const headerValueProblem = (item: string) => headerProblem(item) ?? valueProblem(item)

function headerRenameProblem(item: string): string | undefined {
  return headerProblem(item) ?? renameProblem(item) ?? headerProblem(split(item)[1])
}

function renameProblem(item: string): string | undefined {
  const [name, value] = split(item)
  return name === '' || value === '' ? `key '${name}' has no value` : undefined
}

type Rule = (item: string) => string | undefined

function items(rule?: Rule) {
  return field.defaulted(field.array(rule === undefined ? field.string() : field.text(rule)), [])
}

function parts(headers: Rule, others?: Rule) {
  return { headers: items(headers), querystring: items(others), body: items(others) }
}

/** Kong's fields, all lists empty by default (kong.md §3.13). */
export const requestTransformerSchema = field
  .record({
    http_method: field.optional(field.httpMethod()),
    remove: field.filled(field.record(parts(headerProblem))),
    rename: field.filled(field.record(parts(headerRenameProblem, renameProblem))),
    replace: field.filled(
      field.record({
        uri: field.optional(field.text(templateProblem)),
        ...parts(headerValueProblem, valueProblem),
      }),
    ),
    add: field.filled(field.record(parts(headerValueProblem, valueProblem))),
    append: field.filled(field.record(parts(headerValueProblem, valueProblem))),
  })
  .transform(({ http_method: method, remove, rename, replace, add, append }) => {
    const edits = (part: 'headers' | 'querystring' | 'body'): Edits => ({
      remove: remove[part].map((item) => split(item)[0]),
      rename: rename[part].map(toRenaming),
      replace: replace[part].map(toSetting),
      add: add[part].map(toSetting),
      append: append[part].map(toSetting),
    })
    return {
      method,
      uri: replace.uri === undefined ? undefined : compileTemplate(replace.uri),
      headers: edits('headers'),
      query: edits('querystring'),
      body: edits('body'),
    }
  })

export type RequestTransformerConfig = ReturnType<(typeof requestTransformerSchema)['parse']>

function toSetting(item: string): Setting {
  const [name, value] = split(item)
  return { name, value: compileTemplate(value) }
}

function toRenaming(item: string): Renaming {
  const [from, to] = split(item)
  return { from, to }
}
