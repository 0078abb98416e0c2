import { join } from 'node:path'
import { random } from '@tesserae/core'
import { stopToken } from '@tesserae/rlhf'
import { sampler } from '@tesserae/sampling'
import type { Tokenizer } from '@tesserae/tokenizer'
import { createModel, type DecoderModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { promptOf, template } from '../chat.js'
import { writeWhole } from '../files.js'
import type { Stage, StageContext } from '../stage.js'
import { loadTokenizer } from './tokenizer.js'

/** Tokens that the pre-trained model goes on for. */
const bookTokens = 40

/** Writes with the KV cache, at several temperatures: the pre-trained model goes on, the fine-tuned and the aligned one answer. */
export const generateStage: Stage = {
  name: 'generate',
  title: 'Generation: one token after the other, at several temperatures',
  code: 'examples/quickstart/src/stages/generate.ts',
  needs: ['tokenizer', 'pretrain', 'sft', 'ppo'],
  inputs: ({ sizes, seed, prompt, ask, temperatures }) => ({ tokens: sizes.answerTokens, seed, prompt, ask, temperatures, template }),
  async run(context) {
    const { options, folder, from } = context
    const tokenizer = await loadTokenizer(from('tokenizer'))
    const lines: string[] = []
    let tokens = 0
    let seconds = 0
    const asked = {
      ids: promptOf(options.ask, tokenizer),
      stop: [stopToken({ tokenizer, template })],
      maxTokens: options.sizes.answerTokens,
    }
    const going = { ids: tokenizer.encode(options.prompt), stop: [], maxTokens: bookTokens }
    for (const { stage, said, what } of [
      { stage: 'pretrain', said: `pre-trained, going on from “${options.prompt}”`, what: going },
      { stage: 'sft', said: `fine-tuned, asked “${options.ask}”`, what: asked },
      { stage: 'ppo', said: 'aligned, asked the same', what: asked },
    ] as const) {
      const { config, weights } = await loadCheckpoint(from(stage))
      using model = await createModel({ config, weights, tokenizer })
      lines.push(`${said}:`)
      for (const temperature of options.temperatures) {
        const made = await one(model, tokenizer, what, temperature, context)
        lines.push(`  ${temperature.toFixed(1)}  ${made.text}`)
        tokens += made.tokens
        seconds += made.seconds
      }
    }
    const rate = tokens / seconds
    await writeWhole(join(folder, 'samples.txt'), `${lines.join('\n')}\n`)
    return {
      figures: { tokens, tokensPerSecond: rate },
      lines: [...lines, `${tokens} tokens, ${rate.toFixed(0)} a second (KV cache, one stream)`],
    }
  },
}

async function one(
  model: DecoderModel,
  tokenizer: Tokenizer,
  { ids, stop, maxTokens }: { readonly ids: Int32Array | Uint32Array; readonly stop: readonly number[]; readonly maxTokens: number },
  temperature: number,
  { options, ui, signal }: StageContext,
): Promise<{ readonly text: string; readonly tokens: number; readonly seconds: number }> {
  const choose = sampler({ temperature, seed: random(options.seed).stream(`temperature ${temperature}`).uint32() })
  const decoder = tokenizer.decoder({ skipSpecial: true })
  const room = Math.min(maxTokens, model.capacity - ids.length)
  let text = ''
  let tokens = 0
  const start = performance.now()
  for await (const { id } of model.stream(ids, { maxTokens: room, sampler: choose, stop, signal })) {
    text += decoder.push(id)
    tokens++
    ui.status(`   ${text.replaceAll(/\s+/g, ' ').slice(-60)}`)
  }
  return { text: (text + decoder.flush()).replaceAll(/\s+/g, ' ').trim(), tokens, seconds: (performance.now() - start) / 1000 }
}
