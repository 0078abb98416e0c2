import { timed, type Contestant, type Loaded, type Task } from './protocol.js'

interface Library {
  readonly env: {
    allowRemoteModels: boolean
    allowLocalModels: boolean
    localModelPath: string
    useBrowserCache: boolean
    readonly backends: { readonly onnx: { readonly wasm: { wasmPaths: string; numThreads: number } } }
  }
  readonly AutoModelForCausalLM: {
    from_pretrained(name: string, options: object): Promise<{ generate(options: object): Promise<unknown> }>
  }
  readonly AutoTokenizer: {
    from_pretrained(name: string): Promise<((text: string) => object) & { decode(ids: readonly bigint[], options?: object): string }>
  }
}

/** The package is served beside the page, as it was published. */
const library = '/transformers/dist/transformers.js'

export async function openTransformersJs({ model, dtype, threads, prompt }: Task): Promise<Contestant & { readonly loaded: Loaded }> {
  const { env, AutoModelForCausalLM, AutoTokenizer } = (await import(/* @vite-ignore */ library)) as Library
  const folder = new URL(model, location.origin).pathname
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.useBrowserCache = false
  env.localModelPath = folder.slice(0, folder.lastIndexOf('/') + 1)
  env.backends.onnx.wasm.wasmPaths = new URL('/onnxruntime-web/', location.origin).href
  env.backends.onnx.wasm.numThreads = threads
  const name = folder.slice(folder.lastIndexOf('/') + 1)
  const start = performance.now()
  const tokenizer = await AutoTokenizer.from_pretrained(name)
  const decoder = await AutoModelForCausalLM.from_pretrained(name, { dtype, device: 'wasm', local_files_only: true })
  const inputs = tokenizer(prompt)
  async function* tokens(count: number): AsyncGenerator<string> {
    const come: string[] = []
    let wake = (): void => {}
    let ended = false
    const streamer = {
      put: (ids: readonly (readonly bigint[])[]) => {
        come.push(tokenizer.decode(ids[0]!))
        wake()
      },
      end: () => {},
    }
    const done = decoder.generate({ ...inputs, max_new_tokens: count, min_new_tokens: count, do_sample: false, streamer }).finally(() => {
      ended = true
      wake()
    })
    let isPrompt = true
    while (!ended || come.length > 0) {
      if (come.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      while (come.length > 0) {
        const text = come.shift()!
        if (!isPrompt) yield text
        isPrompt = false
      }
    }
    await done
  }
  return {
    loaded: { milliseconds: performance.now() - start, description: `transformers.js, ${dtype ?? 'fp32'}` },
    turn: (count) => timed(tokens(count)),
  }
}
