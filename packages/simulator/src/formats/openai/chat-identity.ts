/** What is the same in every chunk of a stream and in the whole answer. */
export interface ChatIdentity {
  readonly id: string
  readonly created: number
  readonly model: string
  readonly systemFingerprint: string
}
