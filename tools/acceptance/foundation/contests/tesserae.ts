import { jit, layerNorm, resolveDevice, setDefaultDevice, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import { byParameter, eps, mlp, rows, wave, width, type ParameterName, type Side, type Work } from './contest.js'

export async function tesserae(): Promise<Side> {
  const device = await resolveDevice('cpu')
  setDefaultDevice(device)
  return {
    runtime: device.description,
    works: { matmul512: () => matmul(512), matmul1024: () => matmul(1024), softmax, layerNorm: normalization, mlp: training },
  }
}

export async function read(result: Promise<Tensor> | Tensor): Promise<ArrayLike<number>> {
  using owned = await result
  return await owned.data()
}

export function matmul(size: number): Work {
  const shape = [size, size]
  const [a, b] = [tensor(wave(size * size, 1.37), { shape }), tensor(wave(size * size, 0.71), { shape })]
  const product = jit((x: Tensor, y: Tensor) => x.matmul(y))
  return () => read(product(a, b))
}

export function softmax(): Work {
  const x = tensor(wave(rows * width, 1), { shape: [rows, width] })
  const run = jit((values: Tensor) => values.softmax(-1))
  return () => read(run(x))
}

export function normalization(): Work {
  const [x, w, b] = [tensor(wave(rows * width, 1), { shape: [rows, width] }), tensor(wave(width, 0.3)), tensor(wave(width, 0.7))]
  const run = jit((values: Tensor, weight: Tensor, bias: Tensor) => layerNorm(values, weight, bias, { eps }))
  return () => read(run(x, w, b))
}

function training(): Work {
  let parameters = byParameter((name) => tensor(mlp.parameters[name].data, { shape: mlp.parameters[name].shape }))
  const [x, y] = [tensor(mlp.x.data, { shape: mlp.x.shape }), tensor(mlp.y.data, { shape: mlp.y.shape })]
  const loss = (p: Record<ParameterName, Tensor>, batch: Tensor, labels: Tensor): Tensor =>
    batch.matmul(p.w1).add(p.b1).relu().matmul(p.w2).add(p.b2).logSoftmax(-1).mul(labels).sum(-1).mean().neg()
  const step = jit(
    (p: Record<ParameterName, Tensor>, batch: Tensor, labels: Tensor) => {
      const { value, grads } = valueAndGrad(loss)(p, batch, labels)
      return { next: byParameter((name) => p[name].sub(grads[name].mul(mlp.rate))), value }
    },
    { donate: [0] },
  )
  return async () => {
    const { next, value } = await step(parameters, x, y)
    parameters = next
    return read(value)
  }
}
