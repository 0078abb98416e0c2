/** One side of a contest: does the work once and reads its result back. */
export type Work = () => Promise<ArrayLike<number>>

export const contests = ['matmul512', 'matmul1024', 'softmax', 'layerNorm', 'mlp'] as const
export type ContestName = (typeof contests)[number]

export interface Side {
  /** What runs underneath. */
  readonly runtime: string
  readonly works: Readonly<Record<ContestName, () => Work>>
}

/** Numbers that are the same on both sides. */
export const wave = (count: number, step: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => scale * Math.sin(i * step))

/** Rows and width of the softmax and the layer norm. */
export const [rows, width] = [1024, 1024]
export const eps = 1e-5

/** A two-layer perceptron, 784 → 256 → 10, on a batch of 128, trained by gradient descent; what is read back is the loss. */
const [batch, inputs, hidden, classes] = [128, 784, 256, 10]
export const mlp = {
  rate: 0.1,
  parameters: {
    w1: { data: wave(inputs * hidden, 1, 0.05), shape: [inputs, hidden] },
    b1: { data: new Float32Array(hidden), shape: [hidden] },
    w2: { data: wave(hidden * classes, 2, 0.05), shape: [hidden, classes] },
    b2: { data: new Float32Array(classes), shape: [classes] },
  },
  x: { data: wave(batch * inputs, 3), shape: [batch, inputs] },
  y: {
    data: Float32Array.from({ length: batch * classes }, (_, i) => (i % classes === Math.floor(i / classes) % classes ? 1 : 0)),
    shape: [batch, classes],
  },
}
export type ParameterName = keyof typeof mlp.parameters
export const parameterNames = Object.keys(mlp.parameters) as ParameterName[]
export const byParameter = <T>(make: (name: ParameterName) => T): Record<ParameterName, T> =>
  Object.fromEntries(parameterNames.map((name) => [name, make(name)])) as Record<ParameterName, T>
