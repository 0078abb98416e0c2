import { timed, type Contestant, type Loaded, type Task } from './protocol.js'

interface Library {
  readonly Wllama: new (
    paths: object,
    options: object,
  ) => {
    loadModel(blobs: readonly Blob[], options: object): Promise<void>
    createCompletion(options: object): Promise<AsyncIterable<{ readonly choices: readonly { readonly text: string }[] }>>
    getNumThreads(): number
    isMultithread(): boolean
  }
}

/** The package is served beside the page, as it was published. */
const library = '/wllama/esm/index.js'

export async function openWllama({ model, threads, prompt }: Task): Promise<Contestant & { readonly loaded: Loaded }> {
  const { Wllama } = (await import(/* @vite-ignore */ library)) as Library
  const file = await (await fetch(model)).blob()
  const start = performance.now()
  const wllama = new Wllama({ default: '/wllama/esm/wasm/wllama.wasm' }, { suppressNativeLog: true })
  await wllama.loadModel([file], { n_ctx: 1024, n_threads: threads, n_gpu_layers: 0, n_parallel: 1, warmup: false })
  async function* tokens(count: number): AsyncGenerator<string> {
    const options = { prompt, max_tokens: count, temperature: 0, ignore_eos: true, cache_prompt: false, stream: true }
    let left = count
    for await (const { choices } of await wllama.createCompletion(options)) if (left-- > 0) yield choices[0]?.text ?? ''
  }
  return {
    loaded: {
      milliseconds: performance.now() - start,
      description: `wllama, ${wllama.isMultithread() ? `${wllama.getNumThreads()} threads` : 'one thread'}`,
    },
    turn: (count) => timed(tokens(count)),
  }
}
