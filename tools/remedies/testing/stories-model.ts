// A model for `npm run remedies -- --model`: weights on this machine. stories260K tells stories and follows no instructions, so its answers are
// wrong; what it shows is that a model of this project goes the same way as one behind a server.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@tesserae/tokenizer'
import { loadModel } from '@tesserae/transformer'
import { languageModel } from '@tesserae/transformer/ai-sdk'

const folder = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../../shared/data')
const tokenizer = Tokenizer.fromLlama2c(readFileSync(join(folder, 'tok512.bin')))
const stories = await loadModel(join(folder, 'stories260K.bin'), { tokenizer, device: 'cpu' })

export const model = languageModel(stories, { defaults: { maxOutputTokens: 40 } })
