/**
 * Every edge of the tiles, blocks and splits that products are cut into for graphics processors, and attention by workgroups, against the reference interpreter. Rows and
 * whatever else is bound by memory are in `memory-edges.ts`, sorts, running sums and additions at indices in `line-edges.ts`.
 */
import {
  attendCached,
  attendPaged,
  attention,
  concat,
  qmatmul,
  tensor,
  valueAndGrad,
  type AttentionOptions,
  type Tensor,
} from '../index.js'
import { agrees, numbers, type KernelEdge } from './edge.js'
import { lineEdges } from './line-edges.js'
import { memoryEdges } from './memory-edges.js'
import { matrixEdges } from './matrix-edges.js'

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
  [8, 132, 6],
  [13, 140, 9],
  [70, 140, 12],
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
      `sum of products and of something else that is worked out, ${rows} rows`,
      () => [numbers([rows, 160], 0.3), numbers([160, 24], 0.5), numbers([24, 160], 0.9), numbers([rows, 24], 0.4)],
      (x, a, b, rest) =>
        x!
          .matmul(a!)
          .add(x!.matmul(b!, { transB: true }))
          .add(rest!.mul(3)),
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

const quantised = (
  [
    [4, 32],
    [8, 32],
    [4, 16],
    [8, 16],
  ] as const
).flatMap(([bits, block]) =>
  [1, 3, 40].map((rows) =>
    agrees(
      `product of ${rows} rows with weights of ${bits} bits${block === 32 ? '' : ' in blocks of 16'}`,
      () => [
        numbers([rows, 256], 0.3),
        tensor(
          Uint8Array.from({ length: (37 * 256 * bits) / 8 }, (_, i) => (i * 37 + 11) % 256),
          { shape: [37, 256 / block, (block * bits) / 8], dtype: 'u8' },
        ),
        numbers([37, 256 / block], 0.9),
        numbers([37, 256 / block], 0.4),
      ],
      (x, packed, scales, mins) => qmatmul(x!, { packed: packed!, scales: scales!, mins: mins!, bits, block }),
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

const heads = (queries: number, keys: number, width: number, { dtype = 'f32' as 'f32' | 'f16', shared = 2, keyHeads = 1 } = {}) => [
  numbers([1, keyHeads * shared, queries, width], 0.3, dtype),
  numbers([1, keyHeads, keys, width], 0.5, dtype),
  numbers([1, keyHeads, keys, width], 0.7, dtype),
]

/** Queries and keys at the ends of blocks, and widths that are and are not whole vectors. */
const blocks = (
  [
    [16, 33, 8, { causal: true }],
    [17, 31, 16, { causal: true }],
    [31, 33, 64, { causal: true }],
    [33, 32, 6, { softcap: 2, length: 29 }],
    [65, 64, 7, { causal: true }],
    [19, 35, 128, { softcap: 2, length: 33 }],
    [16, 20, 130, { causal: true }],
    [18, 20, 256, { causal: true }],
    [40, 25, 8, { causal: true }],
    [50, 90, 16, { causal: true, window: 1 }],
    [50, 90, 4, { causal: true, window: 40 }],
    [17, 300, 12, { causal: true, window: 280 }],
  ] as const
).map(([queries, keys, width, options]) =>
  agrees(
    `attention of a block of ${queries} queries, ${keys} keys and a width of ${width}, ${JSON.stringify(options)}`,
    () => heads(queries, keys, width),
    (q, k, v) => attention(q!, k!, v!, options),
  ),
)

const masks = (
  [
    ['each score', [1, 2, 19, 37]],
    ['keys', [37]],
    ['queries of heads', [2, 19, 1]],
  ] as const
).flatMap(([name, shape]) =>
  [true, false].map((causal) =>
    agrees(
      `attention of a block, ${causal ? 'a mask' : 'a bias'} of ${name}`,
      () => [...heads(19, 37, 12), causal ? numbers(shape, 0.9).lt(0.3) : numbers(shape, 0.9)],
      (q, k, v, mask) => attention(q!, k!, v!, { mask: mask!, causal }),
    ),
  ),
)

const halves = [6, 32].map((width) =>
  agrees(
    `attention of a block of halves, a width of ${width}`,
    () => heads(20, 40, width, { dtype: 'f16', shared: 1 }),
    (q, k, v) => attention(q!, k!, v!, { causal: true }),
  ),
)

/** Heads that share their keys, one to many rows for a workgroup, with and without ranges. */
const few = (
  [
    [1, 1, 257, 64],
    [3, 1, 300, 20],
    [8, 1, 63, 64],
    [3, 5, 40, 6],
    [1, 15, 20, 256],
  ] as const
).map(([shared, queries, keys, width]) =>
  agrees(
    `attention of ${queries} queries of ${shared} heads that share ${keys} keys, a width of ${width}`,
    () => heads(queries, keys, width, { shared, keyHeads: 2 }),
    (q, k, v) => attention(q!, k!, v!, { causal: true, window: 260 }),
  ),
)

/** Chunks of a prompt, of which each begins where the last ended; rows of caches that nobody wrote are not looked at. */
const cached = (
  [
    [1, 300, [13, 270]],
    [20, 60, [13, 35]],
  ] as const
).flatMap(([tokens, capacity, positions]) =>
  [{}, { window: 9, softcap: 3 }].map((options) =>
    agrees(
      `attention of ${tokens} tokens with caches, ${JSON.stringify(options)}`,
      () => [
        numbers([2, 2, tokens, 12], 0.3),
        ...[0.5, 0.7].map((step) => numbers([2, 1, tokens, 12], step)),
        ...[0.4, 0.6].map((step) => numbers([2, 1, capacity, 12], step)),
        tensor(Int32Array.from(positions), { dtype: 'i32' }),
      ],
      (q, k, v, cacheK, cacheV, position) => attendCached(q!, k!, v!, { k: cacheK!, v: cacheV!, position: position! }, options).out,
    ),
  ),
)

/** The same in 8 and 4 bits: reads of four columns at once, of one, and of blocks of 16 and 8 numbers. */
const packed = ([8, 4] as const).flatMap((bits) =>
  (
    [
      [1, 300, [13, 270], 64, 32],
      [1, 300, [13, 270], 48, 16],
      [20, 60, [13, 35], 32, 32],
      [2, 9, [3, 7], 24, 8],
    ] as const
  ).map(([tokens, capacity, positions, width, block]) =>
    agrees(
      `attention of ${tokens} tokens with caches of ${bits} bits, blocks of ${block} of ${width}`,
      () => [
        numbers([2, 3, tokens, width], 0.3),
        ...[0.5, 0.7].map((step) => numbers([2, 1, tokens, width], step)),
        ...[0.4, 0.6].map((step) =>
          bits === 8
            ? numbers([2, 1, capacity, width], step).mul(127).cast('i8')
            : numbers([2, 1, capacity, width / 2], step)
                .mul(127)
                .add(128)
                .cast('u8'),
        ),
        ...[0.4, 0.6].map((step) => numbers([2, 1, capacity, width / block], step).mul(0.01)),
        tensor(Int32Array.from(positions), { dtype: 'i32' }),
      ],
      (q, k, v, cacheK, cacheV, scalesK, scalesV, position) =>
        attendCached(q!, k!, v!, { k: cacheK!, v: cacheV!, scalesK: scalesK!, scalesV: scalesV!, position: position! }).out,
    ),
  ),
)

/** The same in pages, of blocks that lie anywhere; entries of the table behind a sequence's end say nothing. */
const paged = (
  [
    [1, 16, 20, [13, 270, 0]],
    [1, 5, 60, [299, 1, 40]],
    [20, 16, 5, [13, 35, 0]],
  ] as const
).flatMap(([tokens, size, most, positions]) =>
  [{}, { window: 9, softcap: 3 }].map((options) =>
    agrees(
      `attention of ${tokens} tokens in blocks of ${size}, ${JSON.stringify(options)}`,
      () => [
        numbers([3, 2, tokens, 12], 0.3),
        ...[0.5, 0.7].map((step) => numbers([3, 1, tokens, 12], step)),
        ...[0.4, 0.6].map((step) => numbers([3 * most, 1, size, 12], step)),
        tensor(Int32Array.from(scattered(positions, { tokens, size, most })), { shape: [3, most] }),
        tensor(Int32Array.from(positions), { dtype: 'i32' }),
      ],
      (q, k, v, poolK, poolV, table, position) =>
        attendPaged(q!, k!, v!, { k: poolK!, v: poolV!, table: table!, position: position! }, options).out,
    ),
  ),
)

/** A table with a block of its own for all that each sequence needs, and −1 or what is no block behind these. */
function scattered(positions: readonly number[], { tokens, size, most }: Readonly<Record<'tokens' | 'size' | 'most', number>>): number[] {
  const blocks = positions.length * most
  return positions.flatMap((position, b) =>
    Array.from({ length: most }, (_, i) =>
      i * size < position + tokens ? ((b * most + i) * 7 + 3) % blocks : i % 2 === 0 ? -1 : blocks + i,
    ),
  )
}

/** The gradients of queries, keys and values one behind the other. */
function attentionGradients(inputs: readonly Tensor[], weight: Tensor, options: AttentionOptions): Tensor {
  const loss = (own: readonly Tensor[]): Tensor => attention(own[0]!, own[1]!, own[2]!, options).mul(weight).sum()
  const flat = (grad: Tensor): Tensor => grad.reshape(grad.shape.reduce<number>((count, dim) => count * Number(dim), 1))
  return concat(valueAndGrad(loss)(inputs).grads.map(flat), 0)
}

const gradients = (
  [
    [20, 20, 8, { causal: true }, 1],
    [17, 40, 64, { causal: true, window: 9 }, 2],
    [33, 19, 6, { causal: true, softcap: 2 }, 1],
    [3, 35, 128, { length: 30 }, 2],
    [40, 24, 4, { causal: true, length: 21 }, 3],
  ] as const
).map(([queries, keys, width, options, shared]) =>
  agrees(
    `gradients of attention of ${queries} queries of ${shared} heads that share ${keys} keys, a width of ${width}, ${JSON.stringify(options)}`,
    () => [...heads(queries, keys, width, { shared }), numbers([1, shared, queries, width], 1.9)],
    (q, k, v, weight) => attentionGradients([q!, k!, v!], weight!, options),
  ),
)

const maskedGradients = [true, false].map((isBool) =>
  agrees(
    `gradients of attention with ${isBool ? 'a mask' : 'a bias'}`,
    () => [...heads(19, 37, 12), numbers([1, 2, 19, 12], 1.9), isBool ? numbers([2, 19, 37], 0.9).lt(0.3) : numbers([19, 37], 0.9)],
    (q, k, v, weight, mask) => attentionGradients([q!, k!, v!], weight!, { mask: mask! }),
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
  ...matrixEdges,
  ...quantised,
  ...attended,
  ...ranges,
  ...blocks,
  ...masks,
  ...halves,
  ...few,
  ...cached,
  ...packed,
  ...paged,
  ...gradients,
  ...maskedGradients,
  ...lineEdges,
  ...memoryEdges,
]
