/** A folder with a small random model that speaks ChatML. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trainBpe } from '@tesserae/tokenizer'
import { disposeWeights, initWeights, llama } from '@tesserae/transformer'
import { saveModel } from '@tesserae/transformer/node'

const template = `{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

/** Its path. The caller removes it. */
export async function tinyModel(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tesserae-serving-'))
  const tokenizer = await trainBpe(['the whale swims and the ship sails '.repeat(20)], {
    vocabSize: 400,
    specialTokens: ['<|im_start|>', '<|im_end|>'],
  })
  const config = llama({ vocabSize: tokenizer.vocabSize, width: 64, layers: 2, heads: 4, context: 1024 })
  const weights = initWeights(config, { seed: 2 })
  await saveModel(folder, { config, weights })
  disposeWeights(weights)
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer.toJSON()))
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|im_end|>', chat_template: template }))
  return folder
}
