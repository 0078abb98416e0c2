/** Tensors moved with `to` between devices. Free of Node and of the test runner, as `conformance.ts`. */
import type { Device } from '../device/device.js'
import { byteSize, computeArray, encodeStorage, type DType, type NumericArray } from '../dtype.js'
import { fromBytes } from '../create.js'
import type { Tensor } from '../tensor.js'
import { valueAndGrad } from '../transform/grad.js'

const dtypes: readonly DType[] = ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool']
/** Whole words and not, one element, none at all. */
const shapes: readonly (readonly number[])[] = [[2, 4], [3], [7, 1], [], [0], [2, 0, 3]]

/** Values that each dtype holds, largest and smallest included. */
function sample(dtype: DType, count: number): NumericArray {
  const special: Partial<Record<DType, readonly number[]>> = {
    f32: [3.4e38, -0, NaN, Infinity],
    f16: [65504, -0, NaN, -Infinity],
    bf16: [3e38, -0, NaN, Infinity],
    i32: [2147483647, -2147483648],
    u32: [4294967295],
    i8: [127, -128],
    u8: [255],
    bool: [1, 0],
  }
  const first = special[dtype]!
  const values = computeArray(dtype, count)
  for (let i = 0; i < count; i++) values[i] = first[i] ?? (dtype === 'bool' ? i % 2 : i)
  return values
}

const text = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

/** What goes wrong when tensors of every dtype move from one device to another and back, bit for bit; one line each. */
export async function checkMoves(from: Device, to: Device): Promise<string[]> {
  const problems: string[] = []
  for (const dtype of dtypes)
    for (const shape of shapes) {
      const count = shape.reduce((a, b) => a * b, 1)
      const bytes = encodeStorage(dtype, sample(dtype, count))
      const title = `${dtype}[${shape.join(', ')}]`
      using host = fromBytes(bytes, { dtype, shape })
      using first = await host.to(from)
      using second = await first.to(to)
      using back = await second.to(from)
      for (const [name, tensor, device] of [
        ['there', second, to],
        ['back', back, from],
      ] as const) {
        if (tensor.device !== device) problems.push(`${title}, ${name}: it is on ${tensor.device?.description}`)
        if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) problems.push(`${title}, ${name}: it is ${String(tensor)}`)
        const found = text((await tensor.bytes()).subarray(0, count * byteSize(dtype)))
        if (found !== text(bytes)) problems.push(`${title}, ${name}: ${found} instead of ${text(bytes)}`)
      }
      if (text(await first.bytes()) !== text(bytes)) problems.push(`${title}: what was moved has changed`)
    }
  problems.push(...(await checkGradients(from, to)))
  return problems
}

/** A copy is a tensor of its own: gradients stay on the device of what they belong to and do not cross, and one program has one device. */
async function checkGradients(from: Device, to: Device): Promise<string[]> {
  const problems: string[] = []
  using x = await fromBytes(new Uint8Array(new Float32Array([1, 2, 3]).buffer), { dtype: 'f32', shape: [3] }).to(from)
  using copy = await x.to(to)
  const both = valueAndGrad((parts: { x: Tensor; copy: Tensor }) => parts.copy.square().sum().add(parts.x.mul(0).sum()))
  if (from !== to) {
    const { value } = both({ x, copy })
    const code = await value.item().then(
      () => 'a value',
      (error: { code?: unknown }) => error.code,
    )
    if (code !== 'DEVICE') problems.push(`a program over both devices gave ${String(code)} instead of DEVICE`)
  }
  const { grads } = valueAndGrad((t: Tensor) => t.square().sum())(copy)
  using grad = await grads.realize()
  if (grad.device !== to) problems.push(`the gradient is on ${grad.device?.description}`)
  if ([...(await grad.data())].join() !== '2,4,6') problems.push(`the gradient is ${[...(await grad.data())].join()}`)
  // A loss over the copy alone does not reach what was copied.
  const through = valueAndGrad((t: Tensor) => copy.sum().add(t.sum().mul(0)))
  if (from === to) {
    const found = [...(await through(x).grads.data())].join()
    if (found !== '0,0,0') problems.push(`the gradient crossed the copy: ${found}`)
  }
  return problems
}
