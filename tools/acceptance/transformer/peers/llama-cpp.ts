import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { npmFolderWith } from '../../lib/npm.js'
import { runForJson } from '../../lib/peers.js'

export const LLAMA_CPP = 'node-llama-cpp@3.22.1'

export interface LlamaQuestion {
  /** Path of a GGUF file. */
  readonly model: string
  readonly threads: number
  /** Tokens of its cache. */
  readonly capacity: number
  /** Texts to go on with, greedily. */
  readonly texts?: readonly string[]
  readonly maxTokens?: number
  readonly prefill?: readonly { readonly tokens: number; readonly turns: number }[]
  readonly decode?: readonly { readonly context: number; readonly tokens: number; readonly turns: number }[]
}

export interface LlamaAnswer {
  /** Seconds. */
  readonly load: number
  readonly answers: readonly { readonly prompt: readonly number[]; readonly ids: readonly number[] }[]
  readonly prefills: readonly { readonly tokens: number; readonly seconds: number }[]
  readonly decodes: readonly { readonly context: number; readonly tokens: number; readonly seconds: number }[]
  /** Bytes of the process before anything was loaded, and at most. */
  readonly rss: number
  readonly peak: number
}

/** What node-llama-cpp answers, in a process of its own. */
export async function askLlama(question: LlamaQuestion): Promise<LlamaAnswer> {
  const folder = npmFolderWith('node-llama-cpp', [LLAMA_CPP])
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-llama-'))
  try {
    const path = join(scratch, 'question.json')
    writeFileSync(path, JSON.stringify(question))
    return (await runForJson(process.execPath, [join(import.meta.dirname, 'llama-cpp.mjs'), folder, path])) as LlamaAnswer
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
