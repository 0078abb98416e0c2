/**
 * ONNX Runtime's WebAssembly without its JavaScript: the functions that the module exports take addresses in its own memory, so tensors lie there and nothing is copied in or out, and results are written where they
 * are wanted. The package's JavaScript copies every input and output.
 */
import { TensorError } from '../../../errors.js'

/** What onnxruntime-web's `ort-wasm-simd-threaded.mjs` makes (Emscripten's module). */
interface RuntimeModule {
  _OrtInit(threads: number, logLevel: number): number
  _OrtGetLastError(code: number, message: number): void
  _OrtCreateSessionOptions(...args: readonly (number | boolean)[]): number
  _OrtAddSessionConfigEntry(options: number, key: number, value: number): number
  _OrtReleaseSessionOptions(options: number): number
  _OrtCreateSession(model: number, bytes: number, options: number): number | Promise<number>
  _OrtReleaseSession(session: number): number
  _OrtCreateTensor(type: number, data: number, bytes: number, dims: number, rank: number, location: number): number
  _OrtReleaseTensor(tensor: number): number
  _OrtRun(
    session: number,
    inputNames: number,
    inputs: number,
    inputCount: number,
    outputNames: number,
    outputCount: number,
    outputs: number,
    options: number,
  ): number | Promise<number>
  _malloc(bytes: number): number
  _free(address: number): void
  UTF8ToString(address: number): string
}
export type RuntimeFactory = (settings: object) => Promise<RuntimeModule>

const memoryOf = (imports: WebAssembly.Imports): WebAssembly.Memory | undefined => {
  for (const group of Object.values(imports)) for (const one of Object.values(group)) if (one instanceof WebAssembly.Memory) return one
  return undefined
}

/** Memory on the CPU, in ONNX Runtime's C API. */
const ON_CPU = 1
const FATAL = 4

export class OrtRuntime {
  private views: { readonly buffer: ArrayBufferLike; readonly bytes: Uint8Array; readonly words: Uint32Array } | undefined
  private readonly scratch: number

  private constructor(
    private readonly module: RuntimeModule,
    readonly memory: WebAssembly.Memory,
  ) {
    this.scratch = this.alloc(64)
  }

  /** Starts the runtime with a pool of threads. @throws TensorError DEVICE where its module is another than is known here */
  static async open(factory: RuntimeFactory, wasm: () => Promise<Response | BufferSource>, threads: number): Promise<OrtRuntime> {
    let memory: WebAssembly.Memory | undefined
    let failed: (cause: unknown) => void
    const failure = new Promise<never>((_, reject) => (failed = reject))
    const instantiateWasm = (
      imports: WebAssembly.Imports,
      receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
    ) => {
      memory = memoryOf(imports)
      const start = async (): Promise<void> => {
        const source = await wasm()
        const compiled = source instanceof Response ? await WebAssembly.compileStreaming(source) : await WebAssembly.compile(source)
        receive(await WebAssembly.instantiate(compiled, imports), compiled)
      }
      start().catch(failed)
      return {}
    }
    const module = await Promise.race([factory({ numThreads: threads, instantiateWasm }), failure])
    if (memory === undefined || typeof module._OrtRun !== 'function' || typeof module._malloc !== 'function')
      throw new TensorError('DEVICE', "onnxruntime-web's module is not as it was in version 1.30")
    const runtime = new OrtRuntime(module, memory)
    runtime.check(module._OrtInit(threads, FATAL), 'starting')
    return runtime
  }

  /** The memory as it is now: it grows. */
  get bytes(): Uint8Array {
    return this.view.bytes
  }
  /** In 4 bytes each. */
  get words(): Uint32Array {
    return this.view.words
  }
  private get view(): { readonly bytes: Uint8Array; readonly words: Uint32Array } {
    const { buffer } = this.memory
    if (this.views?.buffer !== buffer) this.views = { buffer, bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) }
    return this.views!
  }

  /** @throws TensorError OUT_OF_MEMORY */
  alloc(bytes: number): number {
    const address = this.module._malloc(Math.max(bytes, 16)) >>> 0
    if (address === 0)
      throw new TensorError(
        'OUT_OF_MEMORY',
        `no memory for ${bytes} bytes: WebAssembly addresses 4 GiB in all, and has ${this.bytes.length}`,
      )
    return address
  }

  free(address: number): void {
    this.module._free(address)
  }

  /** The address of a text's copy, with a zero behind it. */
  text(text: string): number {
    const bytes = new TextEncoder().encode(text)
    const address = this.alloc(bytes.length + 1)
    this.bytes.set(bytes, address)
    this.bytes[address + bytes.length] = 0
    return address
  }

  async createSession(model: Uint8Array, settings: Readonly<Record<string, string>>): Promise<number> {
    const all = 99
    const options = this.module._OrtCreateSessionOptions(all, true, true, 0, false, 0, 0, FATAL, 0, 0)
    if (options === 0) this.fail('configuring a session')
    const texts: number[] = []
    let address = 0
    try {
      for (const [key, value] of Object.entries(settings)) {
        const pair = [this.text(key), this.text(value)] as const
        texts.push(...pair)
        this.check(this.module._OrtAddSessionConfigEntry(options, ...pair), 'configuring a session')
      }
      address = this.alloc(model.length)
      this.bytes.set(model, address)
      const session = await this.module._OrtCreateSession(address, model.length, options)
      if (session === 0) this.fail('creating a session')
      return session
    } finally {
      this.module._OrtReleaseSessionOptions(options)
      for (const text of texts) this.free(text)
      if (address !== 0) this.free(address)
    }
  }

  releaseSession(session: number): void {
    this.module._OrtReleaseSession(session)
  }

  /** A tensor over memory that the caller keeps. */
  createTensor(elementType: number, address: number, bytes: number, dims: readonly number[]): number {
    const at = dims.length <= 16 ? this.scratch : this.alloc(4 * dims.length)
    this.words.set(dims, at >>> 2)
    const tensor = this.module._OrtCreateTensor(elementType, address, bytes, at, dims.length, ON_CPU)
    if (at !== this.scratch) this.free(at)
    if (tensor === 0) this.fail('describing a tensor')
    return tensor >>> 0
  }

  releaseTensor(tensor: number): void {
    this.module._OrtReleaseTensor(tensor)
  }

  /** Addresses of lists of names and tensors. */
  run(
    session: number,
    inputNames: number,
    inputs: number,
    inputCount: number,
    outputNames: number,
    outputs: number,
    outputCount: number,
  ): void {
    const code = this.module._OrtRun(session, inputNames, inputs, inputCount, outputNames, outputCount, outputs, 0)
    if (code !== 0) this.fail('running a program')
  }

  private check(code: number, doing: string): void {
    if (code !== 0) this.fail(doing)
  }

  private fail(doing: string): never {
    const at = this.scratch
    this.module._OrtGetLastError(at, at + 4)
    const message = this.module.UTF8ToString(this.words[(at + 4) >>> 2]!)
    const isMemory = /failed to allocate|bad_alloc|out of memory/i.test(message)
    throw new TensorError(isMemory ? 'OUT_OF_MEMORY' : 'RUNTIME', `onnxruntime failed ${doing}: ${message}`)
  }
}
