import { loadModel, type WeightType } from '@tesserae/transformer'
import { answer, promptOf } from './protocol.js'

const [path, what, context, dtype] = process.argv.slice(2) as [string, 'decode' | 'prefill', string, WeightType]
const { model } = await loadModel(path, { dtype, device: 'cpu', context: Number(context) > 700 ? 2304 : 1024 }) // GPT-2 has no more

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
