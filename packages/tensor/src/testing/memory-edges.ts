/** Edges of what is bound by memory: elements in vectors, rows and columns by teams of threads, sums in parts, tiles that are turned. */
import type { Tensor } from '../index.js'
import { layerNorm, sym, tensor } from '../index.js'
import { agrees, numbers, type KernelEdge } from './edge.js'

const sizes = [1, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097]
const one =
  (compute: (x: Tensor) => Tensor) =>
  (x: Tensor | undefined): Tensor =>
    compute(x!)

/** Above 0, so that the order of a sum makes little difference to it. */
const above = (shape: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 2 + Math.sin(0.3 * i)),
    { shape },
  )

const elements = [1, 3, 4, 5, 8, 31, 32, 33, 255, 256, 257, 1025, 4096].flatMap((size) => [
  agrees(
    `${size} elements`,
    () => [numbers([size], 0.3), numbers([size], 0.7)],
    (x, y) => x!.mul(y!).add(1),
  ),
  agrees(
    `${size} elements of halves`,
    () => [numbers([size], 0.3, 'f16'), numbers([size], 0.7)],
    (x, y) => x!.mul(2).add(y!.cast('f16')),
  ),
])
const broadcasts = [3, 4, 8, 33, 64].flatMap((width) => [
  agrees(
    `a row and a column added to 5 rows of ${width}`,
    () => [numbers([5, width], 0.3), numbers([width], 0.7), numbers([5, 1], 0.9)],
    (x, row, column) => x!.add(row!).mul(column!),
  ),
  agrees(
    `heads of ${width} put in another order`,
    () => [numbers([2, 3, 4, width], 0.3)],
    one((x) => x.permute(0, 2, 1, 3).add(1)),
  ),
])

const fewer = [1, 4, 5, 33, 64, 129, 256, 1023, 1024, 4097]
const rows = [
  ...sizes.map((size) =>
    agrees(
      `softmax of rows of ${size}`,
      () => [numbers([size > 1000 ? 1 : 3, size], 0.3)],
      one((x) => x.mul(3).softmax(-1)),
    ),
  ),
  ...sizes.map((size) =>
    agrees(
      `sums of rows of ${size}`,
      () => [above([size > 1000 ? 2 : 5, size])],
      one((x) => x.sum(-1).mul(2)),
    ),
  ),
  ...fewer.map((size) =>
    agrees(
      `places of maxima of rows of ${size}`,
      () => [numbers([size > 1000 ? 1 : 3, size], 0.3)],
      one((x) => x.argMax(-1)),
    ),
  ),
]
const narrow = [4, 33, 64].flatMap((size) => [
  agrees(
    `softmax of 70 rows of ${size}`,
    () => [numbers([70, size], 0.3)],
    one((x) => x.softmax(-1)),
  ),
  agrees(
    `maxima of 71 rows of ${size}`,
    () => [numbers([71, size], 0.3)],
    one((x) => x.max(-1)),
  ),
])
const halves = [34, 130, 520, 2050].flatMap((size) => [
  agrees(
    `softmax of rows of ${size} halves`,
    () => [numbers([size > 1000 ? 1 : 3, size], 0.3, 'f16')],
    one((x) => x.softmax(-1)),
  ),
  agrees(
    `means of rows of ${size} halves`,
    () => [numbers([5, size], 0.3, 'f16')],
    one((x) => x.mean(-1)),
  ),
])
const norms = [3, 260, 1025].map((size) =>
  agrees(
    `norm of rows of ${size}`,
    () => [numbers([3, size], 0.3), numbers([size], 0.7), numbers([size], 0.9)],
    (x, weight, bias) => layerNorm(x!, weight!, bias!),
  ),
)

const columns = [1, 3, 4, 31, 33, 129].flatMap((width) =>
  [9, 33, 257].map((count) =>
    agrees(
      `sums of ${width} columns of ${count}`,
      () => [numbers([width > 100 ? 1 : 2, count, width], 0.3)],
      one((x) => x.sum(1)),
    ),
  ),
)
// So many that strips of them are wide.
const wide = (['f32', 'f16'] as const).flatMap((dtype) => [
  agrees(
    `maxima of many columns of ${dtype}`,
    () => [numbers([520, 9, 8], 0.3, dtype)],
    one((x) => x.max(1)),
  ),
  agrees(
    `sums of few columns of ${dtype}`,
    () => [numbers([40, 66], 0.3, dtype)],
    one((x) => x.sum(0)),
  ),
])
const places = [3, 64].map((width) =>
  agrees(
    `places of maxima of ${width} columns`,
    () => [numbers([65, width], 0.3)],
    one((x) => x.argMax(0)),
  ),
)

const long = [2048, 4095, 4096, 4097, 70000].map((size) =>
  agrees(
    `the sum of ${size}`,
    () => [numbers([size], 0.3)],
    one((x) => x.square().sum()),
  ),
)
const longRows = [
  agrees(
    'sums of long rows',
    () => [numbers([3, 9000], 0.3)],
    one((x) => x.sum(1)),
  ),
  agrees(
    'maxima of long rows of halves',
    () => [numbers([3, 9000], 0.3, 'f16')],
    one((x) => x.max(1)),
  ),
  agrees(
    'sums of long columns',
    () => [numbers([2600, 6], 0.3)],
    one((x) => x.sum(0)),
  ),
  agrees(
    'sums along axes that lie apart',
    () => [numbers([64, 2, 40], 0.3)],
    one((x) => x.sum([0, 2])),
  ),
  agrees(
    'long sums side by side',
    () => [numbers([3000], 0.3), numbers([70, 80], 0.5), numbers([2049], 0.7)],
    (x, y, z) => x!.square().sum().add(y!.square().sum()).add(z!.square().sum()),
  ),
]

const turned = (
  [
    [1, 5],
    [31, 33],
    [32, 64],
    [65, 40],
  ] as const
).flatMap((shape) =>
  (['f32', 'f16'] as const).map((dtype) =>
    agrees(
      `${shape.join(' by ')} of ${dtype} turned`,
      () => [numbers(shape, 0.3, dtype)],
      one((x) => x.transpose(0, 1).mul(2)),
    ),
  ),
)
const turnedInside = [
  agrees(
    'the last two of four axes turned',
    () => [numbers([2, 2, 33, 20], 0.3)],
    one((x) => x.permute(0, 1, 3, 2).add(1)),
  ),
  agrees(
    'axes turned about',
    () => [numbers([3, 2, 34, 20], 0.3)],
    one((x) => x.permute(3, 1, 0, 2).add(1)),
  ),
]

// One number of rows after another, and rows of one length after another.
const n = sym('n', { max: 130 })
const ofRows = (...values: readonly number[]) => values.map((value) => new Map([[n, value]]))
const symbols = [
  agrees(
    'elements, sums and softmax of some of the rows',
    () => [numbers([130, 36], 0.3)],
    one((x) => {
      const some = x.slice(0, 0, n)
      return some
        .mul(2)
        .softmax(-1)
        .add(some.sum(-1, { keepDims: true }))
    }),
    ofRows(1, 5, 128, 130),
  ),
  agrees(
    'sums of columns of some of the rows',
    () => [numbers([130, 36], 0.3)],
    one((x) => x.slice(0, 0, n).exp().sum(0)),
    ofRows(1, 9, 129),
  ),
  agrees(
    'sums of rows of some elements',
    () => [numbers([3, 130], 0.3)],
    one((x) => x.slice(1, 0, n).exp().sum(1)),
    ofRows(1, 31, 130),
  ),
]

export const memoryEdges: readonly KernelEdge[] = [
  ...elements,
  ...broadcasts,
  ...rows,
  ...narrow,
  ...halves,
  ...norms,
  ...columns,
  ...wide,
  ...places,
  ...long,
  ...longRows,
  ...turned,
  ...turnedInside,
  ...symbols,
]
