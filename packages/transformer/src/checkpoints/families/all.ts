import type { Family } from './family.js'
import { llamaFamily } from './llama.js'

/** The kinds of models whose checkpoints are read. */
export const families: readonly Family[] = [llamaFamily]
