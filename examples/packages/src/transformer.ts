// @tesserae/transformer: a Llama of 36,000 weights learns a nursery rhyme, says it, shows what it looks at, and plugs into AI SDK's types.
import { sampler } from '@tesserae/sampling'
import { trainBpe } from '@tesserae/tokenizer'
import { countParameters, createLm, createModel, initWeights, llama, planTraining, randomWindows, train } from '@tesserae/transformer'
import { languageModel } from '@tesserae/transformer/ai-sdk'

const rhyme = 'The whale went down, the ship went round, the captain never made a sound. '
const text = rhyme.repeat(20)
const tokenizer = await trainBpe([text], { vocabSize: 290 })
const config = llama({ vocabSize: tokenizer.vocabSize, width: 32, layers: 2, heads: 4, context: 96, tied: true })
console.log(`${countParameters(config).total} weights`)

const run = train({
  config,
  weights: initWeights(config, { seed: 1 }),
  data: randomWindows(tokenizer.encode(text), { rows: 4, length: 32, seed: 1 }),
  steps: 150,
  learningRate: 5e-3,
})
for await (const { step, loss } of run) if (step === 1 || step % 50 === 0) console.log(`step ${step}: loss ${loss.toFixed(3)}`)

const model = await createModel({ config, weights: run.release(), tokenizer })
try {
  const { text: said } = await model.generate('The whale', { maxTokens: 40 })
  console.log(`The whale${said}`)

  // Row by row, how much the last token looks at each one before it, in the first head of the first layer.
  const ids = [...tokenizer.encode('The whale went')]
  const [layer] = await model.attention(ids)
  const last = layer!.subarray((ids.length - 1) * ids.length, ids.length * ids.length)
  console.log(
    'attention of the last token:',
    Array.from(last, (share, i) => `${JSON.stringify(tokenizer.decode([ids[i]!]))} ${share.toFixed(2)}`).join(' '),
  )

  // The same model behind the interface of AI SDK's providers: generateText({ model: languageModel(lm), … }) takes it.
  const spoken = languageModel(createLm({ model, tokenizer }), { defaults: { temperature: 0.7 } })
  const { stream } = await spoken.doStream({
    prompt: [{ role: 'user', content: [{ type: 'text', text: 'The ship' }] }],
    maxOutputTokens: 12,
    seed: 2,
  })
  let streamed = ''
  for await (const part of stream) if (part.type === 'text-delta') streamed += part.delta
  console.log(`streamed: The ship${streamed}`)

  const warm = await model.generate('The', { maxTokens: 12, sampler: sampler({ temperature: 1.5, topK: 20, seed: 5 }), logprobs: true })
  console.log(
    `warmer: The${warm.text} (mean log-probability ${(warm.logprobs!.reduce((a, b) => a + b, 0) / warm.logprobs!.length).toFixed(2)})`,
  )
} finally {
  model.dispose()
}

// How large a model, and how much text, for the operations of one graphics card in a day?
const plan = planTraining({ flops: 4e14 * 86_400 })
console.log(
  `4e14 operations a second for a day: ${(plan.parameters / 1e9).toFixed(1)} billion parameters, ${(plan.tokens / 1e9).toFixed(0)} billion tokens, loss ${plan.loss.toFixed(2)}`,
)
