// Bar 4, first part: a product through Tensor against onnxruntime-node's own binding in the same process.
import { jit, resolveDevice, setDefaultDevice, tensor, toOnnx, type Tensor } from '@tesserae/tensor'
import { atLeast, type RowSource } from '../../lib/row.js'
import { compareTimes } from '../../lib/timing.js'

const size = 1024

const source: RowSource = async ({ log }) => {
  const device = await resolveDevice('cpu')
  setDefaultDevice(device)
  const values = (seed: number): Float32Array => Float32Array.from({ length: size * size }, (_, i) => Math.sin(i * seed))
  const [left, right] = [values(1.37), values(0.71)]
  using a = tensor(left, { shape: [size, size] })
  using b = tensor(right, { shape: [size, size] })
  using product = jit((x: Tensor, y: Tensor) => x.matmul(y))
  const tesserae = async (): Promise<Float32Array> => {
    using c = await product(a, b)
    return (await c.data()) as Float32Array
  }
  const first = await tesserae() // our environment first: the binding then shares it
  const { InferenceSession, Tensor: OrtTensor } = await import('onnxruntime-node')
  const model = await toOnnx([a.matmul(b)])
  const feeds = (names: readonly string[]) =>
    Object.fromEntries([left, right].map((data, i) => [names[i]!, new OrtTensor('float32', data, [size, size])]))
  const binding = async (spinning: boolean) => {
    const session = await InferenceSession.create(model, {
      intraOpNumThreads: device.caps.threads,
      ...(spinning ? {} : { extra: { session: { intra_op: { allow_spinning: '0' } } } }),
    })
    const inputs = feeds(session.inputNames)
    return async (): Promise<Float32Array> => (await session.run(inputs))[session.outputNames[0]!]!.data as Float32Array
  }
  const sleeping = await binding(false)
  const worst = (await sleeping()).reduce((most, value, i) => Math.max(most, Math.abs(value - first[i]!)), 0)
  if (!(worst < 1e-2)) throw new Error(`the two products differ by ${worst}`)
  // With a rest before each turn: threads that spin go on for a while after a run, which would slow down whoever comes next.
  const times = await compareTimes({ tesserae, sleeping, spinning: await binding(true) }, { warmup: 5, runs: 60, rest: 20 })
  const direct = Math.min(times.sleeping, times.spinning)
  log(
    `Tensor ${times.tesserae.toFixed(2)} ms, onnxruntime-node ${times.sleeping.toFixed(2)} ms without spinning, ${times.spinning.toFixed(2)} with`,
  )
  return atLeast(`f32 matmul ${size}³ through Tensor with readback, speed relative to onnxruntime-node`, direct / times.tesserae, 0.9, {
    note: `${times.tesserae.toFixed(2)} ms; onnxruntime-node ${times.sleeping.toFixed(2)} without spinning, ${times.spinning.toFixed(2)} with; ${device.description}; medians of 60 alternating runs`,
  })
}
export default source
