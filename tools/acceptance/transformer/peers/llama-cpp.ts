import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { npmFolderWith } from '../../lib/npm.js'
import { runForJson } from '../../lib/peers.js'

export const LLAMA_CPP = 'node-llama-cpp@3.22.1'

/** The folder that has it. Its binaries are packages of their own, so that nothing is built. */
export const llamaFolder = (): string => npmFolderWith('node-llama-cpp', [LLAMA_CPP])

export interface LlamaQuestion {
  /** Path of a GGUF file. */
  readonly model: string
  /** Tokens of its cache. */
  readonly capacity: number
  /** Texts to go on with, greedily, or their ids. */
  readonly texts: readonly (string | readonly number[])[]
  readonly maxTokens: number
}

/** Ids of each text, and of what node-llama-cpp finds most likely after it, whether the text ends there or not. */
export async function askLlama(
  question: LlamaQuestion,
): Promise<{ readonly prompt: readonly number[]; readonly ids: readonly number[] }[]> {
  const folder = llamaFolder()
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-llama-'))
  try {
    const path = join(scratch, 'question.json')
    writeFileSync(path, JSON.stringify(question))
    return (await runForJson(process.execPath, [join(import.meta.dirname, 'greedy-llama.mjs'), folder, path])) as never
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
