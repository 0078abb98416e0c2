import { createModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { answer, promptOf } from './protocol.js'

const [path, what, context] = process.argv.slice(2) as [string, 'decode' | 'prefill', string]
const loaded = await loadCheckpoint(path, { dtype: 'auto', device: 'cpu', capacity: 2304 })
const model = await createModel({ ...loaded, device: 'cpu', capacity: 2304 })

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
