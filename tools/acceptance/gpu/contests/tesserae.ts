import { attention, jit, layerNorm, resolveDevice, setDefaultDevice, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import { blockInput, byWeight, eps, gpt, rows, shapes, wave, weightData, width, type Side, type WeightName, type Work } from './contest.js'

type Weights = Record<WeightName, Tensor>

export async function tesserae(): Promise<Side> {
  const device = await resolveDevice('webgpu')
  setDefaultDevice(device)
  return {
    runtime: device.description,
    works: {
      matmul256: () => matmul(256),
      matmul512: () => matmul(512),
      softmax,
      layerNorm: normalization,
      block: forward,
      step: training,
    },
  }
}

async function read(result: Promise<Tensor> | Tensor): Promise<ArrayLike<number>> {
  using owned = await result
  return await owned.data()
}

function matmul(size: number): Work {
  const shape = [size, size]
  const [a, b] = [tensor(wave(size * size, 1.37), { shape }), tensor(wave(size * size, 0.71), { shape })]
  const product = jit((x: Tensor, y: Tensor) => x.matmul(y))
  return () => read(product(a, b))
}

function softmax(): Work {
  const x = tensor(wave(rows * width, 1), { shape: [rows, width] })
  const run = jit((values: Tensor) => values.softmax(-1))
  return () => read(run(x))
}

function normalization(): Work {
  const [x, w, b] = [tensor(wave(rows * width, 1), { shape: [rows, width] }), tensor(wave(width, 0.3)), tensor(wave(width, 0.7))]
  const run = jit((values: Tensor, weight: Tensor, bias: Tensor) => layerNorm(values, weight, bias, { eps }))
  return () => read(run(x, w, b))
}

const weights = (): Weights => byWeight((name) => tensor(weightData(name), { shape: shapes[name] }))
const input = (): Tensor => tensor(blockInput(), { shape: [1, gpt.tokens, gpt.width] })

function block(w: Weights, x: Tensor): Tensor {
  const { tokens, width: size, heads } = gpt
  const split = (y: Tensor): Tensor => y.reshape(1, tokens, heads, size / heads).permute(0, 2, 1, 3)
  const first = layerNorm(x, w.gain1, w.shift1, { eps })
  const [q, k, v] = [w.query, w.key, w.value].map((weight) => split(first.matmul(weight))) as [Tensor, Tensor, Tensor]
  const joined = attention(q, k, v, { causal: true }).permute(0, 2, 1, 3).reshape(1, tokens, size)
  const after = x.add(joined.matmul(w.output).add(w.outputBias))
  const inner = layerNorm(after, w.gain2, w.shift2, { eps }).matmul(w.up).add(w.upBias).gelu({ approximate: 'tanh' })
  return after.add(inner.matmul(w.down).add(w.downBias))
}

function forward(): Work {
  const [w, x] = [weights(), input()]
  const run = jit((all: Weights, batch: Tensor) => block(all, batch))
  return () => read(run(w, x))
}

function training(): Work {
  let w = weights()
  const x = input()
  const loss = (all: Weights, batch: Tensor): Tensor => {
    const y = block(all, batch)
    return y.mul(y).mean()
  }
  const step = jit(
    (all: Weights, batch: Tensor) => {
      const { value, grads } = valueAndGrad(loss)(all, batch)
      return { next: byWeight((name) => all[name].sub(grads[name].mul(gpt.rate))), value }
    },
    { donate: [0] },
  )
  return async () => {
    const { next, value } = await step(w, x)
    w = next
    return read(value)
  }
}
