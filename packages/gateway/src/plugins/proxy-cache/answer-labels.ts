import type { CachedHead, CachedResponse } from '@pratu/plugin-kit'
import type { AnswerForm } from '../../ai/index.ts'

/** The mark of an answer that can be told in both forms. */
export const MARK_EITHER = 1

/** What is kept of an answer beside its fields. */
export interface AnswerLabels {
  readonly form: AnswerForm
  /** Whether callers who want to be told the usage can be. */
  readonly hasUsage: boolean
}

export function labelsOf(
  facts: {
    readonly hasUsage: boolean
    readonly tenant: string
    readonly model: string | undefined
  },
  form: AnswerForm,
): NonNullable<CachedHead['labels']> {
  const { hasUsage, tenant, model } = facts
  return {
    form,
    usage: form === 'json' || hasUsage ? 'told' : 'untold',
    tenant,
    ...(model === undefined || model.includes('\n') ? {} : { model }),
  }
}

/** @returns `undefined` for an answer that was not kept by this cache. */
export function readLabels({ labels }: Pick<CachedResponse, 'labels'>): AnswerLabels | undefined {
  const form = labels?.['form']
  if (form !== 'json' && form !== 'events') return undefined
  return { form, hasUsage: labels?.['usage'] === 'told' }
}
