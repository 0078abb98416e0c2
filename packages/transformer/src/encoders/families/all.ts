import { bertFamily } from './bert.js'
import { distilbertFamily } from './distilbert.js'
import type { EncoderFamily } from './family.js'
import { modernbertFamily } from './modernbert.js'
import { robertaFamily } from './roberta.js'

/** The kinds of encoders whose checkpoints are read. */
export const encoderFamilies: readonly EncoderFamily[] = [bertFamily, robertaFamily, distilbertFamily, modernbertFamily]
