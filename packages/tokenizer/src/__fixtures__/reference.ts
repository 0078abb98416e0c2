import { readFileSync } from 'node:fs'

/** What Hugging Face tokenizers and tiktoken made of a text; see tools/tokenizer/generate-fixtures.py. */
export interface ReferenceCase {
  readonly text: string
  /** Lengths of pieces in code points. */
  readonly gpt2: readonly number[]
  readonly llama3: readonly number[]
  /** Lengths of pieces in bytes. */
  readonly cl100k: readonly number[]
  /** Ids by moby-1024.tokenizer.json. */
  readonly ids: readonly number[]
  readonly decoded: string
}

/** A trainer's result: its merges joined by line breaks, each as "left right". */
export interface ReferenceMerges {
  readonly vocabSize: number
  readonly merges: number
  readonly last: string
  readonly sha256: string
}

export interface Reference {
  readonly training: { readonly mobyDick: readonly ReferenceMerges[]; readonly runs: ReferenceMerges & { readonly text: string } }
  readonly cases: readonly ReferenceCase[]
}

const read = (name: string) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as unknown

export const reference = () => read('reference.json') as Reference
/** A tokenizer trained by tools/tokenizer/train-fixture.mts. */
export const mobyJson = () => read('moby-1024.tokenizer.json') as Record<string, unknown>
