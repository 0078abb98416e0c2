/** Just enough of WebAssembly's binary format (webassembly.github.io/spec/core/binary) to write functions of numbers and vectors over a shared memory. */

export type Code = readonly (number | Code)[]

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = []
  do {
    const low = value & 127
    value >>>= 7
    bytes.push(value === 0 ? low : low | 128)
  } while (value !== 0)
  return bytes
}

function signed(value: number): number[] {
  const bytes: number[] = []
  for (;;) {
    const low = value & 127
    value >>= 7
    if ((value === 0 && (low & 64) === 0) || (value === -1 && (low & 64) !== 0)) return [...bytes, low]
    bytes.push(low | 128)
  }
}

export const get = (local: number): Code => [0x20, leb(local)]
export const set = (local: number, value: Code): Code => [value, 0x21, leb(local)]
export const i32 = (value: number): Code => [0x41, signed(value)]
export const zeros: Code = [0xfd, 0x0c, new Array<number>(16).fill(0)]
export const f32Zero: Code = [0x43, 0, 0, 0, 0]

const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [a, b, opcode]
export const add = binary(0x6a)
export const sub = binary(0x6b)
export const mul = binary(0x6c)
export const f32Add = binary(0x92)
export const f32Sub = binary(0x93)
export const f32Mul = binary(0x94)
export const vectorAnd = binary(0xfd, 0x4e)
export const addInts = binary(0xfd, 0xae, 0x01)
/** Products of 16-bit integers, added up in pairs. */
export const dot = binary(0xfd, 0xba, 0x01)
export const addFloats = binary(0xfd, 0xe4, 0x01)
export const mulFloats = binary(0xfd, 0xe6, 0x01)
export const shiftShorts = binary(0xfd, 0x8d, 0x01)
export const floats = (x: Code): Code => [x, 0xfd, 0xfa, 0x01]
export const splatFloat = (x: Code): Code => [x, 0xfd, 0x13]
export const splatShort = (x: Code): Code => [x, 0xfd, 0x10]
export const lane = (x: Code, index: number): Code => [x, 0xfd, 0x1f, index]

export const loadFloat = (address: Code, offset = 0): Code => [address, 0x2a, 2, leb(offset)]
export const storeFloat = (address: Code, value: Code): Code => [address, value, 0x38, 2, 0]
/** No more than a byte's alignment is promised. */
export const loadVector = (address: Code, offset = 0): Code => [address, 0xfd, 0x00, 0, leb(offset)]
/** The lower half of a vector, zeros above. */
export const loadHalf = (address: Code, offset = 0): Code => [address, 0xfd, 0x5d, 0, leb(offset)]

/** Runs as long as the condition holds, once at least. */
export const repeat = (body: Code, condition: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0, 0x0b]

export type LocalType = 'i32' | 'f32' | 'v128'
const types: Readonly<Record<LocalType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b }

/** A function of i32 parameters that returns nothing. */
export interface WasmFunction {
  readonly name: string
  readonly parameters: number
  readonly locals: readonly LocalType[]
  readonly body: Code
}

const bytesOf = (code: Code): number[] => {
  const bytes: number[] = []
  const visit = (part: Code): void => {
    for (const one of part) {
      if (typeof one === 'number') bytes.push(one)
      else visit(one)
    }
  }
  visit(code)
  return bytes
}
const sized = (bytes: readonly number[]): number[] => [...leb(bytes.length), ...bytes]
const list = (items: readonly (readonly number[])[]): number[] => [...leb(items.length), ...items.flat()]
const name = (text: string): number[] => sized([...new TextEncoder().encode(text)])
const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)]

/** A module over the memory `env.memory`, a shared one of up to 4 GiB. */
export function assemble(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const arities = [...new Set(functions.map(({ parameters }) => parameters))]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(arities.map((count) => [0x60, ...list(new Array<number[]>(count).fill([types.i32])), 0]))),
    ...section(2, list([[...name('env'), ...name('memory'), 0x02, 0x03, ...leb(1), ...leb(65_536)]])),
    ...section(3, list(functions.map(({ parameters }) => leb(arities.indexOf(parameters))))),
    ...section(7, list(functions.map((one, i) => [...name(one.name), 0x00, ...leb(i)]))),
    ...section(
      10,
      list(functions.map(({ locals, body }) => sized([...list(locals.map((type) => [1, types[type]])), ...bytesOf(body), 0x0b]))),
    ),
  ])
}
