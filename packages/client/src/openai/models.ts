export interface ModelList {
  readonly object: 'list'
  readonly data: Model[]
}

export interface Model {
  readonly id: string
  readonly object: 'model'
  /** Seconds since 1970. */
  readonly created: number
  readonly owned_by: string
}
