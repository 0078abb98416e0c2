// A model for `npm run remedies -- --model`: weights on this machine. stories260K tells stories and follows no instructions, so its answers are
// wrong; what it shows is that a model of this project goes the same way as one behind a server.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@tesserae/tokenizer'
import { createModel, languageModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'

const folder = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../../shared/data')
const tokenizer = Tokenizer.fromLlama2c(readFileSync(join(folder, 'tok512.bin')))
const stories = await createModel({ ...(await loadCheckpoint(join(folder, 'stories260K.bin'))), tokenizer })

export const model = languageModel(stories, { modelId: 'stories260K', defaults: { maxOutputTokens: 40 } })
