export interface EmbeddingsRequest {
  readonly model: string
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[]
  readonly dimensions?: number
  /** Always numbers: the client sends `float`. */
  readonly encoding_format?: 'float'
  readonly user?: string
}

export interface Embeddings {
  readonly object: 'list'
  readonly model: string
  readonly data: Embedding[]
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number }
}

export interface Embedding {
  readonly object: 'embedding'
  readonly index: number
  readonly embedding: number[]
}
