import { resolveDevice } from '@tesserae/tensor'
import { loadModel } from '@tesserae/transformer'
import { timed, type Contestant, type Loaded, type Task } from './protocol.js'

export async function openOurs({ model, threads, prompt }: Task): Promise<Contestant & { readonly loaded: Loaded }> {
  const file = await (await fetch(model)).blob()
  const start = performance.now()
  const device = await resolveDevice('cpu', { threads })
  const lm = await loadModel(file, { device, context: 1024, maxStreams: 1, prefixCache: false })
  async function* tokens(maxTokens: number): AsyncGenerator<string> {
    for await (const { text } of lm.model.stream(prompt, { maxTokens })) yield text ?? ''
  }
  return {
    loaded: { milliseconds: performance.now() - start, description: device.description },
    turn: (count) => timed(tokens(count)),
  }
}
