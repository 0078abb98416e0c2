// @tesserae/tensor: a network of two layers learns XOR; forward pass, gradients and the step are one compiled program.
import { defaultDevice, graphOf, jit, mapTree, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import { random } from '@tesserae/core'

interface Network {
  readonly hidden: { readonly weight: Tensor; readonly bias: Tensor }
  readonly output: { readonly weight: Tensor; readonly bias: Tensor }
}

const draw = random(4).stream('weights')
const normal = (shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => draw.normal()),
    { shape },
  )
let network: Network = {
  hidden: { weight: normal([2, 8]), bias: tensor(new Float32Array(8), { shape: [8] }) },
  output: { weight: normal([8, 1]), bias: tensor([0]) },
}

const predict = ({ hidden, output }: Network, x: Tensor): Tensor =>
  x.matmul(hidden.weight).add(hidden.bias).tanh().matmul(output.weight).add(output.bias).sigmoid()
const loss = (weights: Network, x: Tensor, y: Tensor): Tensor => predict(weights, x).sub(y).square().mean()

using x = tensor([
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
])
using y = tensor([[0], [1], [1], [0]])

using step = jit(
  (weights: Network, rate: Tensor) => {
    const { value, grads } = valueAndGrad(loss)(weights, x, y)
    const gradients = new Map<string, Tensor>()
    mapTree(grads, (leaf, path) => void gradients.set(path, leaf as Tensor))
    return { weights: mapTree(weights, (leaf, path) => (leaf as Tensor).sub(gradients.get(path)!.mul(rate))) as Network, loss: value }
  },
  { donate: [0] }, // the new weights are written where the old ones were
)

console.log(`Runs on ${(await defaultDevice()).description}.`)
for (let i = 1; i <= 1000; i++) {
  const result = await step(network, 2)
  network = result.weights
  if (i === 1 || i % 250 === 0) console.log(`step ${i}: loss ${(await result.loss.item()).toFixed(4)}`)
  result.loss.dispose()
}
const out = await predict(network, x).data()
console.log('0 xor 0, 0 xor 1, 1 xor 0, 1 xor 1 =', Array.from(out, (value) => Math.round(value)).join(' '))

// What was recorded, before a device rewrote it.
console.log(
  `The loss as a graph:\n${graphOf([loss(network, x, y)])
    .split('\n')
    .slice(-4)
    .join('\n')}`,
)
mapTree(network, (leaf) => (leaf as Tensor).dispose())
