import { throwIfAborted } from '@tesserae/core'
import { quantizeBlocks, type GgufFile, type GgufTyped, type GgufValue, type QuantizedType, type TensorEntry } from '@tesserae/tensor'
import { openGgufPath, saveGguf } from '@tesserae/tensor/node'
import { TransformerError } from '../../errors.js'

export interface QuantizeGgufOptions {
  /** What matrices are written as: blocks of 32 of 8 bits, of 4, of 4 with minimums, or halves. */
  readonly type: 'q8_0' | 'q4_0' | 'q4_1' | 'f16'
  /** Matrices that are in blocks already are decoded and written anew as well, which loses more than making them of floats would; default false: they stay as they are. */
  readonly requantize?: boolean
  readonly signal?: AbortSignal
  /** After each tensor: how many are written, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

/** The file's own names, and the numbers of `llama_ftype` (llama.cpp's llama.h) for `general.file_type`. */
const types: Readonly<Record<QuantizeGgufOptions['type'], { readonly stored: QuantizedType | 'F16'; readonly fileType: number }>> = {
  q8_0: { stored: 'Q8_0', fileType: 7 },
  q4_0: { stored: 'Q4_0', fileType: 2 },
  q4_1: { stored: 'Q4_1', fileType: 3 },
  f16: { stored: 'F16', fileType: 1 },
}

const floats = new Set(['F32', 'F16', 'BF16', 'F64'])
/** Matrices that llama.cpp wants as floats: routers of experts, learned positions and kinds of tokens. */
const kept = /_inp\.weight$|^position_embd\.|^token_types\./

/**
 * Writes a GGUF file with its matrices in fewer bits, of any architecture: names, tokenizer and all that the file says stay, and norms and biases are written as they are. Tensor by tensor, so that no more than one is in memory; files in parts become one.
 * llama.cpp and the gguf package read the result. Errors: OPTION; FILE, IO, DTYPE and VALUE of `@tesserae/tensor`; AbortError. Nothing is replaced then.
 *
 * @param from a path, or an open file, which stays open
 */
export async function quantizeGguf(from: string | GgufFile, to: string, options: QuantizeGgufOptions): Promise<void> {
  const { type, requantize = false, signal, onProgress } = options
  if (!Object.hasOwn(types, type))
    throw new TransformerError(
      'OPTION',
      `quantizeGguf: type is ${JSON.stringify(type)}; expected one of ${Object.keys(types)
        .map((one) => `'${one}'`)
        .join(', ')}`,
    )
  const { stored, fileType } = types[type]
  const file = typeof from === 'string' ? await openGgufPath(from) : from
  try {
    let done = 0
    const entries = file.names.map((name): TensorEntry => {
      const { dtype, shape } = file.info(name)
      const isMatrix = (shape.length === 2 || shape.length === 3) && name.endsWith('.weight') && !kept.test(name)
      const changes = isMatrix && dtype !== stored && (floats.has(dtype) || requantize) && (stored === 'F16' || shape.at(-1)! % 32 === 0)
      return {
        name,
        dtype: changes ? stored : dtype,
        shape,
        async bytes() {
          throwIfAborted(signal, 'Quantising')
          const bytes = changes ? await packed(file, name, stored) : await file.bytes(name)
          onProgress?.(++done, file.names.length)
          return bytes
        },
      }
    })
    await saveGguf(to, entries, { metadata: metadataOf(file, fileType), ...(signal === undefined ? {} : { signal }) })
  } finally {
    if (typeof from === 'string') await file.dispose()
  }
}

async function packed(file: GgufFile, name: string, type: QuantizedType | 'F16'): Promise<Uint8Array> {
  if (type === 'F16') return (await file.tensor(name, { dtype: 'f16' })).bytes
  const { bytes } = await file.tensor(name, { dtype: 'f32' })
  return quantizeBlocks(type, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4))
}

function metadataOf({ metadata, types: kinds }: GgufFile, fileType: number): Map<string, GgufValue | GgufTyped> {
  const out = new Map<string, GgufValue | GgufTyped>()
  for (const [key, value] of metadata) {
    const kind = kinds.get(key)
    if (!key.startsWith('split.')) out.set(key, kind === undefined ? value : { type: kind, value: value as number | bigint | boolean })
  }
  out.delete('general.alignment')
  return out.set('general.quantization_version', 2).set('general.file_type', fileType)
}
