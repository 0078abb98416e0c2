// @tesserae/core: randomness that can be named and resumed, errors that any copy of a package recognises, one type for every language model.
import { finishReasonOf, random, restoreRandom, TesseraeError, throwIfAborted, tokenCountsOf, type LanguageModelLike } from '@tesserae/core'

// A stream depends on its seed and name alone: drawing from one changes nothing in another.
const batches = random('experiment 7').stream('batches')
const masks = random('experiment 7').stream('dropout')
console.log('order of batch 0:', [...batches.fold(0).permutation(6)].join(' '))
console.log('a coin:', masks.int(2) === 0 ? 'heads' : 'tails')

// Saved as JSON and restored, it goes on where it was.
const saved = JSON.stringify(masks.state())
const next = masks.uniform()
console.log('resumed stream repeats itself:', restoreRandom(JSON.parse(saved)).uniform() === next)

// Errors carry a stable code and are recognised by a marker, whichever copy of the package threw them.
try {
  throwIfAborted(AbortSignal.abort('the tab was closed'), 'Training')
} catch (error) {
  if (TesseraeError.isInstance(error)) console.log(`${error.code}: ${error.message} (${String(error.cause)})`)
}

// Whatever fits this type will do as a model: one of ours, or any AI SDK provider's.
const parrot: LanguageModelLike = {
  specificationVersion: 'v3',
  provider: 'example',
  modelId: 'parrot',
  async doGenerate({ prompt }) {
    const last = prompt.at(-1)
    const said = last?.role === 'user' ? last.content.map(({ text }) => text).join('') : ''
    return {
      content: [{ type: 'text', text: `${said} ${said}` }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: { inputTokens: { total: 1 }, outputTokens: { total: 2 } },
      warnings: [],
    }
  },
  async doStream() {
    throw new TesseraeError('UNSUPPORTED', 'the parrot speaks only when it has finished; call doGenerate')
  },
}
const answer = await parrot.doGenerate({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }] })
console.log(
  `${parrot.modelId} says: ${answer.content[0]?.text} (${finishReasonOf(answer.finishReason)}, ${tokenCountsOf(answer.usage).output} tokens)`,
)
