// Run inside a consumer's project: loads a checkpoint, generates, compares with the ids that are expected. Arguments: folder of the data.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultDevice } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import { createModel } from '@tesserae/transformer'
import { loadLlama2c } from '@tesserae/transformer/node'

const data = process.argv[2]
const [expected] = JSON.parse(readFileSync(join(data, 'stories260K.expected.json'), 'utf8'))
const tokenizer = Tokenizer.fromLlama2c(readFileSync(join(data, 'tok512.bin')))
const model = await createModel({ ...(await loadLlama2c(join(data, 'stories260K.bin'))), tokenizer })
const { ids, text } = await model.generate(expected.prompt_ids, { maxTokens: 60 })
const device = (await defaultDevice()).description
model.dispose()
console.log(JSON.stringify({ same: ids.join() === expected.greedy_ids.slice(0, 60).join(), text, device }))
