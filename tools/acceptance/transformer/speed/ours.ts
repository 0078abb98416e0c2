import { createModel, type WeightType } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { answer, promptOf } from './protocol.js'

const [path, what, context, dtype] = process.argv.slice(2) as [string, 'decode' | 'prefill', string, WeightType]
const loaded = await loadCheckpoint(path, { dtype })
const model = await createModel({ ...loaded, device: 'cpu', capacity: Math.min(2304, loaded.config.context) })

let prompts = 0
const open = (): AsyncGenerator<unknown> => model.stream(promptOf(Number(context), prompts++), { maxTokens: 250 })
let tokens: AsyncGenerator<unknown> | undefined

await answer({
  runtime: '@tesserae/transformer',
  async step() {
    if (what === 'prefill') {
      for await (const _ of model.stream(promptOf(Number(context), prompts++), { maxTokens: 1 }));
      return
    }
    if ((await (tokens ??= open()).next()).done === true)
      throw new Error('the text has ended: more tokens were asked for than the context has room for')
  },
})
