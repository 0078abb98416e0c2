/** Inner products by WebAssembly's vector instructions, sixteen components at a time. Scripts have no such instructions, and a graph is made of products. */

/** Memory whose numbers can be multiplied where they lie. */
export interface ProductMemory {
  readonly memory: WebAssembly.Memory
  /** Inner product, in single precision, of the numbers from byte `a` up to byte `end` with those from byte `b`; end − a is a positive multiple of 64. */
  readonly dot: (a: number, b: number, end: number) => number
  /**
   * Inner products of many with one, of `bytes` bytes each: reads `count` (at least 1) addresses from byte `list` on, writes as many products from byte
   * `out` on. A call costs as much as a short product.
   */
  readonly dots: (list: number, count: number, one: number, bytes: number, out: number) => void
}

/** How many numbers {@link ProductMemory.dot} takes at a time. */
export const productWidth = 16

/** One page of a memory in bytes. */
export const pageSize = 65_536

let compiled: WebAssembly.Module | null | undefined

/** A memory of so many pages; undefined where there are no vector instructions, pages may not compile, or memory is short. */
export function productMemory(pages: number): ProductMemory | undefined {
  try {
    compiled ??= compiled === null ? null : new WebAssembly.Module(moduleBytes())
    if (compiled === null) return undefined
  } catch {
    compiled = null
    return undefined
  }
  try {
    const memory = new WebAssembly.Memory({ initial: pages })
    const { dot, dots } = new WebAssembly.Instance(compiled, { m: { m: memory } }).exports
    return { memory, dot: dot as ProductMemory['dot'], dots: dots as ProductMemory['dots'] }
  } catch {
    return undefined
  }
}

/** The module in its binary form. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const [i32, f32, v128] = [0x7f, 0x7d, 0x7b]
  const get = (local: number): number[] => [0x20, local]
  const set = (local: number): number[] => [0x21, local]
  // 64 as a signed LEB128 takes two bytes.
  const move = (pointer: number, by: number): number[] => [...get(pointer), 0x41, ...(by === 64 ? [0xc0, 0] : [by]), 0x6a, ...set(pointer)]
  const [loop, again, end] = [[0x03, 0x40], [0x0d, 0], [0x0b]]
  const i32Add = [0x6a]

  // dot(a, b, stop) with four sums, so that each addition does not wait for the one before it.
  const [a, b, stop, firstSum] = [0, 1, 2, 3]
  const load = (offset: number): number[] => [0xfd, 0x00, 4, offset]
  const add = [0xfd, 0xe4, 0x01]
  const multiply = [0xfd, 0xe6, 0x01]
  const sum = (i: number): number[] => get(firstSum + i)
  const lane = (i: number): number[] => [...sum(0), 0xfd, 0x1f, i]
  const product = (i: number): number[] => [
    ...sum(i),
    ...[...get(a), ...load(16 * i), ...get(b), ...load(16 * i), ...multiply],
    ...add,
    ...set(firstSum + i),
  ]
  const f32Add = [0x92]
  const dot = [
    ...[1, 4, v128],
    ...loop,
    ...[0, 1, 2, 3].flatMap(product),
    ...[...move(a, 64), ...move(b, 64)],
    ...[...get(a), ...get(stop), 0x49, ...again],
    ...end,
    ...[...sum(0), ...sum(1), ...add, ...sum(2), ...sum(3), ...add, ...add, ...set(firstSum)],
    ...[...lane(0), ...lane(1), ...f32Add, ...lane(2), ...lane(3), ...f32Add, ...f32Add],
    ...end,
  ]

  const [list, count, one, bytes, out, row] = [0, 1, 2, 3, 4, 5]
  const dots = [
    ...[1, 1, i32],
    ...loop,
    ...[...get(list), 0x28, 2, 0, ...set(row)],
    ...[...get(out), ...get(row), ...get(one), ...get(row), ...get(bytes), ...i32Add, 0x10, 0, 0x38, 2, 0],
    ...[...move(list, 4), ...move(out, 4)],
    ...[...get(count), 0x41, 1, 0x6b, 0x22, count, ...again],
    ...end,
    ...end,
  ]

  const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)])
  const section = (id: number, content: readonly number[]): number[] => [id, ...leb(content.length), ...content]
  const name = (text: string): number[] => [text.length, ...[...text].map((character) => character.charCodeAt(0))]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, 3, i32, i32, i32, 1, f32, 0x60, 5, i32, i32, i32, i32, i32, 0]), // types of the functions
    ...section(2, [1, ...name('m'), ...name('m'), 2, 0, 0]), // the memory, of any size
    ...section(3, [2, 0, 1]),
    ...section(7, [2, ...name('dot'), 0, 0, ...name('dots'), 0, 1]),
    ...section(10, [2, ...leb(dot.length), ...dot, ...leb(dots.length), ...dots]),
  ])
}
