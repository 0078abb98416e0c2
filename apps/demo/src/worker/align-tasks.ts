import { dpo, preparePreferences } from '@tesserae/rlhf'
import { sampler } from '@tesserae/sampling'
import type { Tokenizer } from '@tesserae/tokenizer'
import { createModel, type DecoderModel } from '@tesserae/transformer'
import { endId, promptIds, template } from '../lib/conversation.js'
import type { AlignCalls } from './align-calls.js'
import { chatModel, setAligned, shippedWeights } from './chat-model.js'
import { device } from './device.js'
import type { Tasks } from './protocol.js'

const answerTokens = 48
/** Answers of a pair shall differ, so they are drawn warmer than a chat would be. */
const pairTemperature = 0.8
const probeTemperature = 0.7
const attempts = 8

async function answer(
  { model, tokenizer }: { readonly model: DecoderModel; readonly tokenizer: Tokenizer },
  prompt: string,
  { temperature, seed, signal }: { readonly temperature: number; readonly seed: number; readonly signal: AbortSignal },
): Promise<string> {
  const ids = promptIds([{ role: 'user', content: prompt }], tokenizer, model.capacity - answerTokens)
  const { text = '' } = await model.generate(ids, {
    maxTokens: answerTokens,
    sampler: sampler({ temperature, topP: 0.98, seed }),
    stop: [endId(tokenizer)],
    signal,
  })
  return text.trim()
}

export const alignTasks: Tasks<AlignCalls> = {
  async 'align.pair'({ prompt, seed }, { signal }) {
    const chat = await chatModel('shipped')
    const first = await answer(chat, prompt, { temperature: pairTemperature, seed: seed * attempts, signal })
    for (let attempt = 1; attempt < attempts; attempt++) {
      // Warmer with every attempt: a model that is sure of itself needs it.
      const temperature = pairTemperature + attempt * 0.15
      const second = await answer(chat, prompt, { temperature, seed: seed * attempts + attempt, signal })
      if (second !== '' && first !== '' && second !== first) return { prompt, answers: [first, second] }
    }
    throw new Error('The model gave the same answer every time it was asked. Try another question.')
  },
  async 'align.train'({ rankings, steps, beta, learningRate, probes }, { signal, emit }) {
    const begun = performance.now()
    const before = await chatModel('shipped')
    const { config, weights, tokenizer } = await shippedWeights()
    emit({ kind: 'stage', text: 'Compiling the training step' })
    const data = preparePreferences(rankings, { tokenizer, template, maxLength: config.context, overflow: 'drop' })
    using run = dpo({ policy: { config, weights }, data, steps, rows: 8, beta, learningRate, seed: 1, signal, device: await device() })
    for await (const { index, steps: all, metrics } of run) {
      const { loss, margin, accuracy, rewardChosen, rewardRejected } = metrics
      emit({ kind: 'step', step: index, steps: all, loss, margin, accuracy, rewardChosen, rewardRejected })
    }
    const model = await createModel({ config, weights: run.release(), tokenizer, device: await device() })
    await setAligned(model)
    emit({ kind: 'stage', text: 'Asking both models' })
    for (const [i, prompt] of probes.entries()) {
      const options = { temperature: probeTemperature, seed: i + 1, signal }
      emit({
        kind: 'sample',
        prompt,
        before: await answer(before, prompt, options),
        after: await answer({ model, tokenizer }, prompt, options),
      })
    }
    return { seconds: (performance.now() - begun) / 1000, pairs: data.length }
  },
  async 'align.reset'() {
    await setAligned(undefined)
    return {}
  },
}
