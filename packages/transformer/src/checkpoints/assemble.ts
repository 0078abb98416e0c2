/** Weights out of tensors of a file that hold them otherwise: several in one, in several, or turned. */
import type { RecordNames, WeightSource } from './families/family.js'

/** Where a weight is. */
export function sourceOf(names: RecordNames, weight: string): WeightSource {
  const source = names.sourceOf(weight)
  return typeof source === 'string' ? { names: [source] } : source
}

/** The shape of each of a weight's tensors in the file. */
export function shapeInFile(source: WeightSource, shape: readonly number[]): readonly number[] {
  if (source.shape !== undefined) return source.shape
  const own = source.names.length > 1 ? shape.slice(1) : shape
  const whole = source.rows === undefined ? own : [source.rows.of, ...own.slice(1)]
  return source.transposed === true ? [...whole].reverse() : whole
}

/** Whether the values of a weight stand in the file as they are wanted, but perhaps among others. */
export const isPlain = ({ names, transposed = false, plus }: WeightSource): boolean =>
  names.length === 1 && !transposed && plus === undefined

/** A weight's numbers; a view of the file's where they stand as they are wanted. */
export async function assembled(
  { names, rows, transposed = false, plus }: WeightSource,
  shape: readonly number[],
  read: (name: string) => Promise<Float32Array>,
): Promise<Float32Array> {
  if (names.length > 1) {
    const all = new Float32Array(shape.reduce((a, b) => a * b, 1))
    let at = 0
    for (const name of names) {
      const one = await read(name)
      all.set(one, at)
      at += one.length
    }
    return all
  }
  const stored = await read(names[0]!)
  const upright = transposed ? turned(stored, rows?.of ?? shape[0]!) : stored
  const numbers = rowsOf(upright, rows)
  return plus === undefined ? numbers : numbers.map((value) => value + plus)
}

/** Some rows of a matrix, as what stands in `numbers` one row behind the other. */
export function rowsOf<Numbers extends Float32Array | Uint8Array>(numbers: Numbers, rows: WeightSource['rows']): Numbers {
  if (rows === undefined) return numbers
  const width = numbers.length / rows.of
  const parts = rows.ranges.map(([from, to]) => numbers.subarray(from * width, to * width) as Numbers)
  if (parts.length === 1) return parts[0]!
  const out = (numbers instanceof Uint8Array ? new Uint8Array(sumOf(parts)) : new Float32Array(sumOf(parts))) as Numbers
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const sumOf = (parts: readonly { readonly length: number }[]): number => parts.reduce((sum, { length }) => sum + length, 0)

/** [in, out] as [out, in]. */
function turned(numbers: Float32Array, out: number): Float32Array {
  const into = numbers.length / out
  const result = new Float32Array(numbers.length)
  for (let i = 0; i < into; i++) for (let o = 0; o < out; o++) result[o * into + i] = numbers[i * out + o]!
  return result
}
