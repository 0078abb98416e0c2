// Run inside a consumer's project: loads a checkpoint, continues its prompts, compares with the ids that are expected. Arguments: folder of the data.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onWarning, resolveDevice } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import { createModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'

const data = process.argv[2]
const warnings = []
onWarning((message) => warnings.push(message))
const device = await resolveDevice('cpu')
const tokenizer = Tokenizer.fromLlama2c(readFileSync(join(data, 'tok512.bin')))
const model = await createModel({ ...(await loadCheckpoint(join(data, 'stories260K.bin'))), tokenizer, device })
const same = []
const texts = []
// greedy_ids begin with the second token of the prompt.
for (const { prompt, prompt_ids, greedy_ids } of JSON.parse(readFileSync(join(data, 'stories260K.expected.json'), 'utf8'))) {
  const expected = greedy_ids.slice(prompt_ids.length - 1)
  const { ids, text } = await model.generate(prompt, { maxTokens: expected.length })
  same.push(ids.join() === expected.join())
  texts.push(text)
}
model.dispose()
// Programs over frozen weights are released a tick after the weights, and the weights' memory with them.
await new Promise((resolve) => setTimeout(resolve, 0))
const { liveBuffers } = device.memory()
console.log(JSON.stringify({ device: device.description, warnings, same, texts, liveBuffers }))
await device.dispose()
