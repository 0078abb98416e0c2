import { npmFolderWith } from '../../lib/npm.js'

export const WLLAMA = '@wllama/wllama@3.13.0'

/** The folder that has it. */
export const wllamaFolder = (): string => npmFolderWith('wllama', [WLLAMA])
