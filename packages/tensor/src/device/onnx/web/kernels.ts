/**
 * Products with block-quantised weights [N, K] in WebAssembly: ONNX Runtime's MatMulNBits decodes the whole matrix there on every run, and takes twenty times as long as with f32 weights. The rows that are
 * multiplied are rounded to 8 bits block by block, as ONNX Runtime does elsewhere; products of integers are added up in 32 bits.
 */
import {
  add,
  addFloats,
  addInts,
  assemble,
  dot,
  f32Add,
  f32Mul,
  f32Sub,
  f32Zero,
  floats,
  get,
  i32,
  lane,
  loadFloat,
  loadHalf,
  loadVector,
  mul,
  mulFloats,
  repeat,
  set,
  shiftShorts,
  splatFloat,
  splatShort,
  storeFloat,
  sub,
  vectorAnd,
  zeros,
  type Code,
  type LocalType,
  type WasmFunction,
} from './assembler.js'

export interface Packing {
  readonly bits: 4 | 8
  readonly block: 16 | 32
  readonly hasMins: boolean
}

/** Bytes before the values of a block of x: what its zero point takes off the sum, as a vector; its scale; its sum. */
const HEADER = 32
const SCALE = 16
const SUM = 20

/** Vectors of 16-bit values of a block of x. */
const vectorsOf = ({ bits, block }: Packing): number => (bits === 4 ? 4 : block / 8)
export const recordBytes = (packing: Packing): number => HEADER + 16 * vectorsOf(packing)
const weightBytes = ({ bits, block }: Packing): number => (block * bits) / 8

/** For each value of a block's record, which of the block it is: in the order in which shifts take weights out of 16 bits. −1: none. */
export function orderOf({ bits, block }: Packing): Int32Array {
  if (bits === 8)
    return Int32Array.from({ length: block }, (_, i) => {
      const [vector, place] = [i >> 3, i & 7]
      return 16 * (vector >> 1) + 2 * place + (vector & 1)
    })
  return Int32Array.from({ length: 32 }, (_, i) => (4 * (i & 7) + (i >> 3) < block && (i & 7) < block / 4 ? 4 * (i & 7) + (i >> 3) : -1))
}

/** Rows of weights and rows of x that one pass of a kernel takes: more rows of weights than one spill registers, and are slower. */
const tiles = [
  [1, 1],
  [1, 4],
] as const

const packings: readonly Packing[] = [4, 8].flatMap((bits) =>
  [16, 32].flatMap((block) => [false, true].map((hasMins) => ({ bits, block, hasMins }) as Packing)),
)
export const packingIndex = ({ bits, block, hasMins }: Packing): number => (bits === 8 ? 4 : 0) + (block === 32 ? 2 : 0) + (hasMins ? 1 : 0)

/** (weights, scales, mins, x, y, rows of weights, blocks of a row, bytes between rows of x, bytes between rows of y); the rows are a multiple of the tile's. */
function kernel(packing: Packing, [rows, columns]: readonly [number, number]): WasmFunction {
  const [w, s, m, x, y, count, blocks, xStride, yStride] = Array.from({ length: 9 }, (_, i) => i) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const locals: LocalType[] = []
  const local = (type: LocalType): number => 9 + locals.push(type) - 1
  const many = (type: LocalType, length: number): number[] => Array.from({ length }, () => local(type))
  const left = local('i32')
  const wp = many('i32', rows)
  const sp = many('i32', rows)
  const mp = many('i32', packing.hasMins ? rows : 0)
  const xp = many('i32', columns)
  const acc = many('v128', rows * columns)
  const sums = many('v128', columns)
  const lowered = many('f32', packing.hasMins ? rows * columns : 0)
  const chunk = local('v128')
  const mask = local('v128')
  const bytes = weightBytes(packing)
  const step = (pointer: number, by: number): Code => set(pointer, add(get(pointer), i32(by)))

  const block = (r: number): Code => {
    const code: Code[] = []
    const chunks = Math.max(1, bytes / 16)
    const parts = packing.bits === 8 ? 2 : 4
    let vector = 0
    for (let c = 0; c < chunks; c++) {
      code.push(set(chunk, bytes < 16 ? loadHalf(get(wp[r]!)) : loadVector(get(wp[r]!), 16 * c)))
      for (let p = 0; p < parts; p++, vector++) {
        const shifted = p === 0 ? get(chunk) : shiftShorts(get(chunk), i32(p * packing.bits))
        const part = p === parts - 1 ? shifted : vectorAnd(shifted, get(mask))
        const temporary = columns > 1
        if (temporary) code.push(set(weightPart, part))
        for (let t = 0; t < columns; t++) {
          const before = vector === 0 ? loadVector(get(xp[t]!)) : get(sums[t]!)
          code.push(set(sums[t]!, addInts(before, dot(temporary ? get(weightPart) : part, loadVector(get(xp[t]!), HEADER + 16 * vector)))))
        }
      }
    }
    for (let t = 0; t < columns; t++) {
      const at = r * columns + t
      const scale = splatFloat(f32Mul(loadFloat(get(sp[r]!)), loadFloat(get(xp[t]!), SCALE)))
      code.push(set(acc[at]!, addFloats(get(acc[at]!), mulFloats(floats(get(sums[t]!)), scale))))
      if (packing.hasMins)
        code.push(set(lowered[at]!, f32Add(get(lowered[at]!), f32Mul(loadFloat(get(mp[r]!)), loadFloat(get(xp[t]!), SUM)))))
    }
    code.push(step(wp[r]!, bytes), step(sp[r]!, 4))
    if (packing.hasMins) code.push(step(mp[r]!, 4))
    return code
  }
  const weightPart = local('v128')
  const eachRow = Array.from({ length: rows }, (_, r) => r)
  const eachColumn = Array.from({ length: columns }, (_, t) => t)

  const group: Code = [
    ...eachRow.flatMap((r) => [
      set(wp[r]!, add(get(w), mul(get(blocks), i32(r * bytes)))),
      set(sp[r]!, add(get(s), mul(get(blocks), i32(r * 4)))),
      ...(packing.hasMins ? [set(mp[r]!, add(get(m), mul(get(blocks), i32(r * 4))))] : []),
    ]),
    ...eachColumn.map((t) => set(xp[t]!, add(get(x), mul(get(xStride), i32(t))))),
    ...acc.map((one) => set(one, zeros)),
    ...lowered.map((one) => set(one, f32Zero)),
    set(left, get(blocks)),
    repeat([...eachRow.map(block), ...xp.map((one) => step(one, recordBytes(packing))), set(left, sub(get(left), i32(1)))], get(left)),
    ...eachRow.flatMap((r) =>
      eachColumn.map((t) => {
        const one = get(acc[r * columns + t]!)
        const total = f32Add(f32Add(lane(one, 0), lane(one, 1)), f32Add(lane(one, 2), lane(one, 3)))
        const value = packing.hasMins ? f32Sub(total, get(lowered[r * columns + t]!)) : total
        return storeFloat(add(add(get(y), mul(get(yStride), i32(t))), i32(4 * r)), value)
      }),
    ),
    set(w, add(get(w), mul(get(blocks), i32(rows * bytes)))),
    set(s, add(get(s), mul(get(blocks), i32(rows * 4)))),
    ...(packing.hasMins ? [set(m, add(get(m), mul(get(blocks), i32(rows * 4))))] : []),
    step(y, 4 * rows),
    set(count, sub(get(count), i32(rows))),
  ]
  return {
    name: `p${packingIndex(packing)}t${rows}x${columns}`,
    parameters: 9,
    locals,
    body: [set(mask, splatShort(i32(packing.bits === 8 ? 0xff : 0x0f))), repeat(group, get(count))],
  }
}

/** All kernels, named `p{packing}t{rows of weights}x{rows of x}`. */
export const kernelModule = (): Uint8Array<ArrayBuffer> =>
  assemble(packings.flatMap((packing) => tiles.map((tile) => kernel(packing, tile))))

/** What a block of weights stores for zero. */
const zeroPoint = ({ bits }: Packing): number => (bits === 4 ? 8 : 128)

/** Rounds so many f32 values to 8 bits, block by block, and writes them as kernels read them; what rounding took off goes to `rest`, where one is given. Addresses are multiples of 4. */
export function roundRows(buffer: ArrayBufferLike, packing: Packing, from: number, to: number, values: number, rest?: number): void {
  const source = new Float32Array(buffer, from, values)
  const ints = new Int32Array(buffer)
  const reals = new Float32Array(buffer)
  const shorts = new Int16Array(buffer)
  const left = rest === undefined ? undefined : new Float32Array(buffer, rest, values)
  const order = orderOf(packing)
  const { block } = packing
  const bytes = recordBytes(packing)
  const zero = zeroPoint(packing)
  const rounded = new Int32Array(block)
  for (let at = 0, record = to; at < values; at += block, record += bytes) {
    let most = 0
    for (let i = 0; i < block; i++) most = Math.max(most, Math.abs(source[at + i]!))
    const scale = most / 127
    const inverse = most === 0 ? 0 : 127 / most
    let sum = 0
    for (let i = 0; i < block; i++) {
      const value = Math.round(source[at + i]! * inverse)
      rounded[i] = value
      sum += value
      if (left !== undefined) left[at + i] = source[at + i]! - value * scale
    }
    const word = record >>> 2
    ints[word] = -zero * sum
    ints[word + 1] = 0
    ints[word + 2] = 0
    ints[word + 3] = 0
    reals[word + SCALE / 4] = scale
    reals[word + SUM / 4] = scale * sum
    const first = (record + HEADER) >>> 1
    for (let i = 0; i < order.length; i++) shorts[first + i] = order[i]! < 0 ? 0 : rounded[order[i]!]!
  }
}
