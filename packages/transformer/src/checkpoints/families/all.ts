import type { Family } from './family.js'
import { gemmaFamily } from './gemma.js'
import { gpt2Family } from './gpt2.js'
import { llamaFamily } from './llama.js'
import { mixtureFamily } from './mixture.js'
import { neoxFamily } from './neox.js'
import { olmoFamily } from './olmo.js'
import { phiFamily } from './phi.js'

/** The kinds of models whose checkpoints are read. */
export const families: readonly Family[] = [llamaFamily, gemmaFamily, phiFamily, olmoFamily, neoxFamily, gpt2Family, mixtureFamily]
