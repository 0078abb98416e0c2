/**
 * Every edge of the tiles, blocks and splits that products are cut into for graphics processors, and attention by workgroups, against the reference interpreter. Rows and
 * whatever else is bound by memory are in `memory-edges.ts`, sorts and their kin in `line-edges.ts`.
 */
import { attention, qmatmul, tensor, type Tensor } from '../index.js'
import { agrees, numbers, type KernelEdge } from './edge.js'
import { lineEdges } from './line-edges.js'
import { memoryEdges } from './memory-edges.js'

export type { KernelEdge } from './edge.js'

const sizes = [
  [5, 8, 9],
  [31, 7, 33],
  [32, 8, 32],
  [33, 9, 31],
  [64, 17, 40],
  [1, 128, 1],
  [1, 130, 3],
  [1, 256, 70],
  [2, 300, 5],
  [3, 129, 17],
  [4, 512, 12],
] as const
const transposes = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const

const products = sizes.flatMap(([rows, inner, columns]) =>
  transposes.map(([transA, transB]) =>
    agrees(
      `product of ${rows} rows, ${inner} steps, ${columns} columns${transA ? ', first transposed' : ''}${transB ? ', second transposed' : ''}`,
      () => [
        numbers(transA ? [inner, rows] : [rows, inner], 0.37),
        numbers(transB ? [columns, inner] : [inner, columns], 0.71),
        numbers([columns], 0.2),
      ],
      (a, b, bias) => a!.matmul(b!, { transA, transB }).add(bias!).gelu(),
    ),
  ),
)

const plain = (a: Tensor, b: Tensor): Tensor => a.matmul(b)
const together = [
  agrees(
    'products side by side',
    () => [numbers([1, 256], 0.3), numbers([256, 24], 0.5), numbers([256, 10], 0.9)],
    (x, a, b) => x!.matmul(a!).sum(-1).add(x!.matmul(b!).sum(-1)),
  ),
  agrees(
    'products in pairs',
    () => [numbers([2, 160], 0.3), numbers([160, 24], 0.5), numbers([160, 24], 0.9)],
    (x, a, b) => x!.matmul(a!).silu().mul(x!.matmul(b!)),
  ),
  ...[2, 40].flatMap((rows) => [
    agrees(
      `sum of products, ${rows} rows`,
      () => [numbers([rows, 160], 0.3), numbers([160, 24], 0.5), numbers([24, 160], 0.9), numbers([rows, 24], 0.4)],
      (x, a, b, rest) =>
        x!
          .matmul(a!)
          .add(x!.matmul(b!, { transB: true }))
          .silu()
          .add(rest!),
    ),
    agrees(
      `sum of products, one of which is wanted besides, ${rows} rows`,
      () => [numbers([rows, 160], 0.3), numbers([160, 24], 0.5), numbers([24, 160], 0.9)],
      (x, a, b) =>
        x!
          .matmul(a!)
          .add(x!.matmul(b!, { transB: true }))
          .mul(x!.matmul(a!).exp()),
    ),
  ]),
  agrees('products in batches', () => [numbers([3, 2, 9, 20], 0.3), numbers([3, 1, 20, 33], 0.5)], plain as never),
  ...[1, 9].map((rows) =>
    agrees(`products of halves, ${rows} rows`, () => [numbers([rows, 140], 0.3, 'f16'), numbers([140, 34], 0.5, 'f16')], plain as never),
  ),
]

const quantised = ([4, 8] as const).flatMap((bits) =>
  [1, 3, 40].map((rows) =>
    agrees(
      `product of ${rows} rows with weights of ${bits} bits`,
      () => [
        numbers([rows, 256], 0.3),
        tensor(
          Uint8Array.from({ length: (37 * 256 * bits) / 8 }, (_, i) => (i * 37 + 11) % 256),
          { shape: [37, 8, 4 * bits], dtype: 'u8' },
        ),
        numbers([37, 8], 0.9),
        numbers([37, 8], 0.4),
      ],
      (x, packed, scales, mins) => qmatmul(x!, { packed: packed!, scales: scales!, mins: mins!, bits }),
    ),
  ),
)

const attended = (
  [
    [1, 70, 8],
    [3, 64, 32],
    [5, 65, 66],
    [2, 130, 130],
  ] as const
).flatMap(([tokens, keys, width]) =>
  [{ causal: true }, { softcap: 2 }].map((options) =>
    agrees(
      `attention of ${tokens} queries, ${keys} keys and a width of ${width}, ${Object.keys(options).join()}`,
      () => [numbers([1, 4, tokens, width], 0.3), numbers([1, 2, keys, width], 0.5), numbers([1, 2, keys, width], 0.7)],
      (q, k, v) => attention(q!, k!, v!, options),
    ),
  ),
)

// Ranges of which a query sees nothing are among them.
const ranges = (['f32', 'f16'] as const).flatMap((dtype) =>
  [{ causal: true }, { causal: true, window: 3 }, { length: 2 }].map((options) =>
    agrees(
      `attention of few queries and many keys, in ranges, of ${dtype}, ${Object.entries(options).join(' ')}`,
      () => [numbers([1, 2, 1, 8], 0.3, dtype), numbers([1, 1, 1100, 8], 0.5, dtype), numbers([1, 1, 1100, 8], 0.7, dtype)],
      (q, k, v) => attention(q!, k!, v!, options),
    ),
  ),
)

/** Those of large blocks, which only products of many of them are cut into: few steps make them quick, on a real card. */
export const largeEdges: readonly KernelEdge[] = (
  [
    [1400, 7, 1500],
    [1409, 12, 1500],
    [1500, 24, 1409],
    [700, 16, 770],
    [770, 33, 703],
  ] as const
).flatMap(([rows, inner, columns]) =>
  transposes.map(([transA, transB]) =>
    agrees(
      `blocks of ${rows} rows, ${inner} steps, ${columns} columns${transA ? ', first transposed' : ''}${transB ? ', second transposed' : ''}`,
      () => [
        numbers(transA ? [inner, rows] : [rows, inner], 0.37),
        numbers(transB ? [columns, inner] : [inner, columns], 0.71),
        numbers([columns], 0.2),
      ],
      (a, b, bias) => a!.matmul(b!, { transA, transB }).add(bias!),
    ),
  ),
)

export const kernelEdges: readonly KernelEdge[] = [
  ...products,
  ...together,
  ...quantised,
  ...attended,
  ...ranges,
  ...lineEdges,
  ...memoryEdges,
]
