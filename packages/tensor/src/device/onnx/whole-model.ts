/** Models that come whole, from a file, instead of being emitted from a program: what a device over ONNX Runtime takes and gives. */

/** A tensor as ONNX Runtime has it: little-endian, row-major, `elementType` of TensorProto.DataType. */
export interface RawTensor {
  readonly elementType: number
  readonly dims: readonly number[]
  readonly bytes: Uint8Array
}

/** Weights outside of a model's protobuf. */
export interface ExternalTensor extends RawTensor {
  readonly name: string
}

export interface WholeModel {
  readonly bytes: Uint8Array
  /** Files by the names that the model gives them, for the bindings. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** The same weight by weight, for the C API. */
  readonly external: readonly ExternalTensor[]
}

/** A model ready to run. Runs wait for each other and for the device's programs. */
export interface WholeModelSession {
  /** @throws TensorError RUNTIME with ONNX Runtime's words, ABORTED, OUT_OF_MEMORY */
  run(
    feeds: ReadonlyMap<string, RawTensor>,
    outputs: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, RawTensor>>
  /** Deferred while it runs. */
  dispose(): void
}

/** Bytes of an element by TensorProto.DataType, for the types that tensors here are made of. */
export const elementBytes: ReadonlyMap<number, number> = new Map([
  [1, 4],
  [2, 1],
  [3, 1],
  [4, 2],
  [5, 2],
  [6, 4],
  [7, 8],
  [9, 1],
  [10, 2],
  [11, 8],
  [12, 4],
  [13, 8],
  [16, 2],
])
