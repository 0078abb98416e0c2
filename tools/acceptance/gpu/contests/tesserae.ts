import { attention, jit, layerNorm, resolveDevice, setDefaultDevice, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import { matmul, normalization, read, softmax } from '../../foundation/contests/tesserae.js'
import { blockInput, byWeight, eps, gpt, shapes, weightData, type Side, type WeightName, type Work } from './contest.js'

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
