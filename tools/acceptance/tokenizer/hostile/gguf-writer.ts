/** Writes a GGUF file, version 3, little-endian: metadata, and tensors of float32. */
export type GgufEntry =
  | readonly [key: string, type: 'string', value: string]
  | readonly [key: string, type: 'strings', value: readonly string[]]
  | readonly [key: string, type: 'uint32' | 'bool' | 'uint64', value: number]
  | readonly [key: string, type: 'float32s' | 'int32s' | 'int8s', value: readonly number[]]
  /** A type's number and the bytes of the value, for what no writer would write. */
  | readonly [key: string, type: number, value: Uint8Array]

const TYPES = { bool: 7, uint32: 4, uint64: 10 } as const
const ARRAYS = { int8s: 1, int32s: 5, float32s: 6 } as const

export const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
export const u64 = (value: number | bigint): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer)

export interface GgufTensor {
  readonly name: string
  /** The innermost dimension first, as the format has it. */
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** Where tensors begin, and how they are padded, unless the metadata says otherwise. */
const ALIGNMENT = 32
const padding = (length: number): Buffer => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)

export function ggufFile(
  entries: readonly GgufEntry[],
  { version = 3, count = entries.length as number | bigint, tensors = [] as readonly GgufTensor[] } = {},
): Uint8Array {
  const parts = [Buffer.from('GGUF'), u32(version), u64(tensors.length), u64(count)]
  const text = (value: string) => {
    const bytes = Buffer.from(value)
    parts.push(u64(bytes.length), bytes)
  }
  for (const [key, type, value] of entries) {
    text(key)
    if (typeof type === 'number') parts.push(u32(type), Buffer.from(value as Uint8Array))
    else if (type === 'string') {
      parts.push(u32(8))
      text(value as string)
    } else if (type === 'strings') {
      parts.push(u32(9), u32(8), u64((value as readonly string[]).length))
      for (const each of value as readonly string[]) text(each)
    } else if (type === 'uint32' || type === 'bool' || type === 'uint64') {
      parts.push(u32(TYPES[type]))
      parts.push(type === 'bool' ? Buffer.from([value as number]) : type === 'uint32' ? u32(value as number) : u64(value as number))
    } else {
      const list = value as readonly number[]
      parts.push(u32(9), u32(ARRAYS[type]), u64(list.length))
      const typed = type === 'int8s' ? Int8Array.from(list) : type === 'int32s' ? Int32Array.from(list) : Float32Array.from(list)
      parts.push(Buffer.from(typed.buffer))
    }
  }
  let offset = 0
  for (const { name, shape, values } of tensors) {
    text(name)
    parts.push(u32(shape.length), ...shape.map(u64), u32(0), u64(offset))
    offset += values.byteLength + padding(values.byteLength).length
  }
  if (tensors.length > 0) parts.push(padding(parts.reduce((sum, { length }) => sum + length, 0)))
  for (const { values } of tensors) parts.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength), padding(values.byteLength))
  return Uint8Array.from(Buffer.concat(parts))
}
