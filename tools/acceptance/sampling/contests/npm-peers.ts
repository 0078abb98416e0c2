import { npmFolderWith } from '../../lib/npm.js'

export const PACKAGES = {
  'web-xgrammar': '@mlc-ai/web-xgrammar@0.1.27',
  'transformers-structured-output': '@huggingface/transformers-structured-output@4.3.0',
} as const

/** The folder of the engines of grammars on npm. Transformers.js itself, which one of them wants beside it, is not needed for what is measured. */
export const engineFolder = (): string => npmFolderWith('grammars', Object.values(PACKAGES))
