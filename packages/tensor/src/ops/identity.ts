import { defineOp, type OpRow } from './row.js'

/** Rows that only mark values for the transforms; the compiler removes them. */
export const markerOps: readonly OpRow[] = [
  defineOp({
    name: 'identity',
    kind: 'primitive',
    summary: 'x itself, as a node of its own: what a gradient is taken with respect to.',
    infer: ([x]) => [x!],
    reference: ({ inputs }) => [inputs[0]!.data],
    vjp: ({ grads }) => [grads[0]],
    samples: [{ name: 'plain', inputs: [{ shape: [2, 3] }] }],
  }),
  defineOp({
    name: 'stopGradient',
    kind: 'primitive',
    summary: 'x itself, treated as a constant by autograd.',
    infer: ([x]) => [x!],
    reference: ({ inputs }) => [inputs[0]!.data],
    stopsGradient: true,
    samples: [{ name: 'plain', inputs: [{ shape: [2, 3] }] }],
  }),
  defineOp({
    name: 'checkpoint',
    kind: 'composite',
    summary: 'A region whose intermediate values are computed again in the backward pass instead of being kept.',
    infer: () => [],
    samples: [],
  }),
]
