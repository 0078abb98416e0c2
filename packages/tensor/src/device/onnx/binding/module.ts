/** What this device uses of an `ort` module; onnxruntime-node, onnxruntime-web and onnxruntime-common all fit. */
export interface OrtTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: unknown
  dispose?(): void
}

export interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>
  release(): Promise<void>
}

export interface OrtModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OrtSession>
  }
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => OrtTensor
  readonly env: {
    logLevel?: string | undefined
    readonly versions?: Readonly<Record<string, string | undefined>>
    readonly wasm?: { numThreads?: number | undefined; wasmPaths?: unknown }
  }
}
