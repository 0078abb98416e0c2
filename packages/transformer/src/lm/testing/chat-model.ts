/** A small random model with a tokenizer that has special tokens and a template, as those of chat models are. */
import { trainBpe, Tokenizer } from '@tesserae/tokenizer'
import { initWeights } from '../../architectures/initialize.js'
import { llama } from '../../architectures/llama.js'
import type { LoadedModel } from '../../checkpoints/llama2c.js'

/** ChatML with tools in Hermes' way. */
export const toolTemplate = `{% if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}Call with <tool_call>.<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

/** ChatML without tools. */
export const plainTemplate = `{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

/** Each answer begins inside of reasoning. */
export const thinkingTemplate = `${plainTemplate.replace(/{% endif %}$/, '<think>\n{% endif %}')}{# </think> #}`

export const chatTokens = ['<|im_start|>', '<|im_end|>', '<think>', '</think>', '<tool_call>', '</tool_call>']

export async function chatTokenizer(template: string): Promise<Tokenizer> {
  const trained = await trainBpe(['the whale swims and the ship sails {"name": "x", "n": 1} '.repeat(20)], {
    vocabSize: 300,
    specialTokens: chatTokens,
  })
  return Tokenizer.fromJSON(trained.toJSON(), { eos_token: '<|im_end|>', chat_template: template })
}

export async function chatModel(template: string, seed = 2): Promise<LoadedModel & { readonly tokenizer: Tokenizer }> {
  const tokenizer = await chatTokenizer(template)
  const config = llama({ vocabSize: tokenizer.vocabSize, width: 16, layers: 1, heads: 2, context: 1024 })
  return { config, weights: initWeights(config, { seed }), tokenizer }
}
