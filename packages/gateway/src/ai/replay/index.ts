/** Kept answers: what a request means to a cache, and one answer in both of its forms. */
export { readRequestFacts, type RequestFacts } from './request-facts.ts'
export {
  canTell,
  examineAnswer,
  formOf,
  tellAnswer,
  UsageFilter,
  type AnswerForm,
  type WantedForm,
} from './stored-answer.ts'
