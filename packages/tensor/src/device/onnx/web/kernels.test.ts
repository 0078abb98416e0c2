import { expect, test } from 'vitest'
import { kernelModule, packingIndex, recordBytes, roundRows, type Packing } from './kernels.js'
import type { Kernel } from './team.js'

const memory = new WebAssembly.Memory({ initial: 8, maximum: 65_536, shared: true })
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(kernelModule()), { env: { memory } })
const bytes = new Uint8Array(memory.buffer)
const floats = new Float32Array(memory.buffer)
const wave = (i: number): number => Math.sin(i * 12.9898) * 43_758.5453
const part = (i: number): number => wave(i) - Math.floor(wave(i))

const packings = [4, 8].flatMap((bits) =>
  [16, 32].flatMap((block) => [false, true].map((hasMins) => ({ bits, block, hasMins }) as Packing)),
)
test.each(packings.flatMap((packing) => [1, 4].map((columns) => ({ ...packing, columns }))))(
  'products are those of the rounded rows: %j',
  ({ columns, ...packing }) => {
    const { bits, block, hasMins } = packing
    const [rows, blocks] = [5, 6]
    const width = (block * bits) / 8
    const weights = 64
    const scales = weights + rows * blocks * width
    const mins = scales + 4 * rows * blocks
    const from = mins + 4 * rows * blocks
    const x = from + 4 * columns * blocks * block
    const stride = blocks * recordBytes(packing)
    const y = x + columns * stride
    for (let i = 0; i < rows * blocks * width; i++) bytes[weights + i] = Math.floor(256 * part(i))
    for (let i = 0; i < rows * blocks; i++) {
      floats[scales / 4 + i] = 0.1 + part(i + 7)
      floats[mins / 4 + i] = part(i + 9)
    }
    const values = Float32Array.from({ length: columns * blocks * block }, (_, i) => 4 * part(i + 3) - 2)
    values.fill(0, 0, block) // a block without a scale
    floats.set(values, from / 4)
    roundRows(memory.buffer, packing, from, x, values.length)
    ;(exports[`p${packingIndex(packing)}t1x${columns}`] as Kernel)(weights, scales, mins, x, y, rows, blocks, stride, 4 * rows)
    for (let column = 0; column < columns; column++)
      for (let row = 0; row < rows; row++) {
        let sum = 0
        for (let b = 0; b < blocks; b++) {
          const own = values.subarray((column * blocks + b) * block, (column * blocks + b + 1) * block)
          const scale = Math.max(...own.map(Math.abs)) / 127
          for (let i = 0; i < block; i++) {
            const at = weights + (row * blocks + b) * width
            const stored = bits === 8 ? bytes[at + i]! - 128 : ((bytes[at + (i >> 1)]! >> (4 * (i & 1))) & 15) - 8
            const weight = stored * floats[scales / 4 + row * blocks + b]! - (hasMins ? floats[mins / 4 + row * blocks + b]! : 0)
            sum += scale === 0 ? 0 : weight * scale * Math.round(own[i]! / scale)
          }
        }
        expect(Math.abs(floats[y / 4 + column * rows + row]! - sum)).toBeLessThan(1e-5 * rows * blocks * block * (bits === 8 ? 128 : 8))
      }
  },
)
