/** The calls of cuBLASLt for real, into a library made for it that multiplies what it is told; and, where `TESSERAE_CUBLASLT` names NVIDIA's own, those that need no card into that. */
import koffi from 'koffi'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ProductSize } from '../../../compile/plain-product.js'
import { onWarning } from '../../../debug/log.js'
import { decodeStorage, encodeStorage } from '../../../dtype.js'
import { NativeBlock, openLibrary, type Koffi, type NativeFunction } from '../../onnx/node/ffi.js'
import type { MatrixLibrary } from '../matrix-library.js'
import { buildFakeCublasLt, canBuildFake, noCompiler, type FakeCublasLt } from '../testing/fake.js'
import { cublasLtNames, cublasLtOptions, cublasLtVariable } from './find-cublaslt.js'
import { cublasLtCalls, Descriptions, openLibcublasLt } from './libcublaslt.js'

const STREAM = 16
const workspace = new NativeBlock(koffi, 32 * 2 ** 20)

type Given = Partial<Omit<ProductSize, 'left' | 'right' | 'key'>> & { readonly flags?: string }
/** A product by its numbers and what is transposed and batched. */
function product({ dtype = 'bf16', batch = 1, rows = 5, inner = 3, columns = 4, flags = '0011' }: Given = {}): ProductSize {
  const [leftTransposed, rightTransposed, leftBatched, rightBatched] = [...flags].map((flag) => flag === '1') as [
    boolean,
    boolean,
    boolean,
    boolean,
  ]
  return {
    ...{ dtype, batch, rows, columns, inner },
    left: { transposed: leftTransposed, batched: leftBatched },
    right: { transposed: rightTransposed, batched: rightBatched },
    key: `${dtype} ${batch} ${rows}x${inner}x${columns} ${flags}`,
  }
}

/** Whole numbers of which any other order would give another product. */
const values = (length: number, step: number): Float32Array => Float32Array.from({ length }, (_, i) => ((i * step) % 7) - 3)

/** What a library makes of a product, and what it has to. */
function multiplied(
  library: MatrixLibrary,
  asked: ProductSize,
): { readonly reason: string | undefined; readonly found: number[]; readonly expected: number[] } {
  const { dtype, batch, rows, inner, columns, left, right } = asked
  const a = values(rows * inner * (left.batched ? batch : 1), 5)
  const b = values(inner * columns * (right.batched ? batch : 1), 3)
  const memory = [a, b, new Float32Array(batch * rows * columns)].map((array) => {
    const block = new NativeBlock(koffi, 2 * array.length)
    new Uint8Array(block.memory).set(encodeStorage(dtype, array))
    return block
  }) as [NativeBlock, NativeBlock, NativeBlock]
  const [l, r, d] = memory.map(({ address }) => address) as [number, number, number]
  const reason = library.multiply(asked, { left: l, right: r, result: d }, workspace.address, STREAM)
  const expected = Array.from({ length: batch * rows * columns }, (_, i) => {
    const [column, row, which] = [i % columns, Math.floor(i / columns) % rows, Math.floor(i / columns / rows)]
    let sum = 0
    for (let k = 0; k < inner; k++) {
      const first = (left.batched ? which * rows * inner : 0) + (left.transposed ? k * rows + row : row * inner + k)
      const second = (right.batched ? which * inner * columns : 0) + (right.transposed ? column * inner + k : k * columns + column)
      sum += a[first]! * b[second]!
    }
    return sum
  })
  return { reason, expected, found: [...decodeStorage(dtype, new Uint8Array(memory[2].memory, 0, 2 * expected.length))] }
}

let fake: FakeCublasLt
let library: MatrixLibrary
beforeAll(() => {
  if (!canBuildFake) return
  fake = buildFakeCublasLt()
})
afterAll(() => {
  if (canBuildFake) fake[Symbol.dispose]()
})

describe.skipIf(!canBuildFake)(`calls of cuBLASLt${canBuildFake ? '' : `: skipped, ${noCompiler}`}`, () => {
  const open = (): MatrixLibrary => {
    fake.reset()
    library = openLibcublasLt(koffi, openLibrary(koffi, fake.path), fake.path)
    return library
  }
  afterEach(() => {
    library.close()
    if (fake.liveHandles() !== 0) throw new Error(`left with the library: ${fake.liveHandles()} handles`)
  })

  it.each(
    ['00', '01', '10', '11'].flatMap((transposed) => [
      product({ flags: `${transposed}11` }),
      product({ dtype: 'f16', rows: 2, inner: 9, columns: 7, flags: `${transposed}11` }),
      ...['11', '10', '01'].map((batched) => product({ dtype: 'f16', batch: 3, flags: transposed + batched })),
    ]),
  )('multiply $key', (asked) => {
    const { reason, found, expected } = multiplied(open(), asked)
    expect(reason).toBeUndefined()
    expect(found).toEqual(expected)
    expect(new Set(found).size).toBeGreaterThan(3)
  })

  it('describe a product, ask for its algorithm once, and multiply', () => {
    open()
    expect(library.description).toBe(`cuBLASLt 12.9.3 (${fake.path})`)
    const asked = product({ dtype: 'f16', batch: 2, rows: 64, inner: 24, columns: 16, flags: '1001' })
    expect(multiplied(library, asked).reason).toBeUndefined()
    expect(fake.log()).toEqual([
      'cublasLtCreate',
      'cublasLtMatmulDescCreate 68 0',
      'cublasLtMatmulDescSetAttribute 4 4',
      'cublasLtMatrixLayoutCreate 2 16x24 16',
      'cublasLtMatrixLayoutSetAttribute 5 4',
      'cublasLtMatrixLayoutSetAttribute 6 8',
      'cublasLtMatrixLayoutCreate 2 64x24 64',
      'cublasLtMatrixLayoutSetAttribute 5 4',
      'cublasLtMatrixLayoutSetAttribute 6 8',
      'cublasLtMatrixLayoutCreate 2 16x64 16',
      'cublasLtMatrixLayoutSetAttribute 5 4',
      'cublasLtMatrixLayoutSetAttribute 6 8',
      'cublasLtMatmulPreferenceCreate',
      'cublasLtMatmulPreferenceSetAttribute 1 8',
      'cublasLtMatmulPreferenceSetAttribute 3 4',
      ...[5, 6, 7, 8].map((attribute) => `cublasLtMatmulPreferenceSetAttribute ${attribute} 4`),
      'cublasLtMatmulAlgoGetHeuristic 1',
      '  transposes 0 1, workspace 33554432, reductions 2, alignments 256 256 256 256',
      '  a: type 2, 16x24, 16 apart, 2 of 384',
      '  b: type 2, 64x24, 64 apart, 2 of 0',
      '  c: type 2, 16x64, 16 apart, 2 of 1024',
      '  d: type 2, 16x64, 16 apart, 2 of 1024',
      'cublasLtMatmul 1 0, workspace 33554432',
    ])
    expect(multiplied(library, asked).reason).toBeUndefined()
    expect(fake.log()).toEqual(['cublasLtMatmul 1 0, workspace 33554432'])
  })

  it('say what addresses within a batch are multiples of', () => {
    open()
    const alignments = (asked: ProductSize): string => {
      multiplied(library, asked)
      return /alignments (.*)$/m.exec(fake.log().join('\n'))![1]!
    }
    expect(alignments(product({ rows: 5, inner: 3, columns: 4 }))).toBe('256 256 256 256')
    // 24, 30 and 40 bytes from one matrix to the next.
    expect(alignments(product({ batch: 2, rows: 5, inner: 3, columns: 4 }))).toBe('8 2 8 8')
    expect(alignments(product({ batch: 2, rows: 5, inner: 3, columns: 4, flags: '0001' }))).toBe('8 256 8 8')
  })

  it('remember so many products, the ones used last', () => {
    open()
    const sized = (rows: number): ProductSize => product({ rows, inner: 1, columns: 1 })
    const asks = (rows: number): boolean => {
      fake.log()
      expect(multiplied(library, sized(rows)).reason).toBeUndefined()
      return fake.log().some((line) => line.startsWith('cublasLtMatmulAlgoGetHeuristic'))
    }
    for (let rows = 1; rows <= 256; rows++) expect(asks(rows)).toBe(true)
    expect(asks(1)).toBe(false)
    expect(fake.liveHandles()).toBe(1 + 4 * 256)
    expect(asks(257)).toBe(true)
    expect(fake.liveHandles()).toBe(1 + 4 * 256)
    expect([asks(1), asks(2)]).toEqual([false, true])
  })

  it('that fail are told of, with nothing left, and once a product', () => {
    open()
    const calls: readonly (readonly [name: string, times: number])[] = [
      ['cublasLtMatmulDescCreate', 1],
      ['cublasLtMatmulDescSetAttribute', 2],
      ['cublasLtMatrixLayoutCreate', 3],
      ['cublasLtMatrixLayoutSetAttribute', 6],
      ['cublasLtMatmulPreferenceCreate', 1],
      ['cublasLtMatmulPreferenceSetAttribute', 6],
      ['cublasLtMatmulAlgoGetHeuristic', 1],
    ]
    let rows = 1
    for (const [name, times] of calls)
      for (let nth = 1; nth <= times; nth++) {
        const asked = product({ batch: 2, rows: rows++, flags: '1111' })
        fake.fail(name, nth, 3)
        const reason = expect.stringMatching(`^${name}( \\(\\d\\))? failed: CUBLAS_STATUS_ALLOC_FAILED \\(3\\)$`) as string
        expect(multiplied(library, asked).reason).toEqual(reason)
        expect(fake.liveHandles()).toBe(1)
        fake.log()
        expect(multiplied(library, asked).reason).toEqual(reason)
        expect(fake.log()).toEqual([])
      }
    fake.fail('cublasLtMatmul', 1, 13)
    expect(multiplied(library, product()).reason).toBe('cublasLtMatmul failed: CUBLAS_STATUS_EXECUTION_FAILED (13)')
    expect(multiplied(library, product()).reason).toBeUndefined()
  })

  it('find no algorithm, or one that is none', () => {
    open()
    fake.setFound(0, 0)
    expect(multiplied(library, product()).reason).toBe('cublasLtMatmulAlgoGetHeuristic found no algorithm')
    fake.setFound(1, 15)
    expect(multiplied(library, product({ rows: 6 })).reason).toBe(
      'cublasLtMatmulAlgoGetHeuristic (its result) failed: CUBLAS_STATUS_NOT_SUPPORTED (15)',
    )
    fake.setFound(1, 99)
    expect(multiplied(library, product({ rows: 7 })).reason).toMatch(/failed: an unknown status \(99\)$/)
    expect(fake.liveHandles()).toBe(1)
  })

  it('refuse a device', () => {
    open()
    fake.fail('cublasLtCreate', 1, 1)
    expect(() => openLibcublasLt(koffi, openLibrary(koffi, fake.path), fake.path)).toThrow(
      expect.objectContaining({
        code: 'DEVICE',
        message: `cuBLASLt 12.9.3 (${fake.path}): cublasLtCreate failed: CUBLAS_STATUS_NOT_INITIALIZED (1)`,
      }) as Error,
    )
  })

  it('are found by name, by the option or by the environment', () => {
    open()
    for (const found of [cublasLtOptions(koffi, fake.path, 'off'), cublasLtOptions(koffi, undefined, fake.path)]) {
      const own = found!.open()
      expect(own.description).toContain(fake.path)
      own.close()
    }
  })
})

describe.skipIf(!canBuildFake)('a library that refuses the device', () => {
  it('is passed over for the next older one', () => {
    fake.reset()
    // A system that has two of them.
    const both: Koffi = Object.assign(Object.create(koffi) as Koffi, {
      load: (path: string | null) => koffi.load(path === 'libcublasLt.so.13' || path === 'libcublasLt.so.12' ? fake.path : path),
    })
    fake.fail('cublasLtCreate', 1, 1)
    const own = cublasLtOptions(both, undefined, '', 'linux')!.open()
    expect(own.description).toBe('cuBLASLt 12.9.3 (libcublasLt.so.12)')
    own.close()
    expect(fake.log()).toEqual(['cublasLtCreate', 'cublasLtCreate', 'cublasLtDestroy'])
  })
})

describe('the library of products', () => {
  it('is looked for by the names of its versions, the newest first', () => {
    expect(cublasLtNames('linux').slice(0, 3)).toEqual(['libcublasLt.so.13', 'libcublasLt.so.12', 'libcublasLt.so.11'])
    expect(cublasLtNames('linux')).toContain('/usr/local/cuda/lib64/libcublasLt.so.12')
    expect(cublasLtNames('win32')).toEqual(['cublasLt64_13.dll', 'cublasLt64_12.dll', 'cublasLt64_11.dll'])
    expect(() => cublasLtOptions(koffi, undefined, '', 'darwin')!.open()).toThrow(/is for Linux and Windows, not for darwin/)
  })
  it('is switched off by the option or by the environment, and by nothing else', () => {
    expect(cublasLtVariable).toBe('TESSERAE_CUBLASLT')
    expect(cublasLtOptions(koffi, false, undefined)).toBeUndefined()
    expect(cublasLtOptions(koffi, false, '/a/path')).toBeUndefined()
    expect(cublasLtOptions(koffi, undefined, 'off')).toBeUndefined()
    for (const environment of [undefined, '', '/a/path']) expect(cublasLtOptions(koffi, undefined, environment)).toBeDefined()
  })
  it('is warned of where it was named and is not there, or is another', () => {
    const warnings: string[] = []
    const stop = onWarning((message) => warnings.push(message))
    try {
      expect(() => cublasLtOptions(koffi, '/nowhere/libcublasLt.so.12')!.open()).toThrow(
        expect.objectContaining({ code: 'DEVICE' }) as Error,
      )
      const other = process.platform === 'win32' ? 'kernel32.dll' : process.platform === 'darwin' ? 'libSystem.dylib' : 'libm.so.6'
      expect(() => cublasLtOptions(koffi, undefined, other)!.open()).toThrow(
        /has no cublasLtCreate: it is no cuBLASLt, or one older than CUDA 11/,
      )
      // Nobody asked for it.
      expect(() => cublasLtOptions(koffi, undefined, '', 'win32')!.open()).toThrow(
        /^looked for cublasLt64_13\.dll, cublasLt64_12\.dll, cublasLt64_11\.dll; the loader said: [^;]+$/,
      )
    } finally {
      stop()
    }
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toMatch(
      /^cuBLASLt is not used.*'cublasLt' or by TESSERAE_CUBLASLT: looked for \/nowhere\/libcublasLt\.so\.12; the loader said: .*\. Large products run as kernels$/,
    )
  })
})

const real = process.env[cublasLtVariable]
const isReal = real !== undefined && real !== '' && real !== 'off'
describe.skipIf(!isReal)(`NVIDIA's library${isReal ? '' : ` (${cublasLtVariable} names none)`}`, () => {
  it('holds what it was told of a product', () => {
    const own = openLibrary(koffi, real!)
    const call = cublasLtCalls(own, real!)
    const descriptions = new Descriptions(koffi, call)
    const [out, written] = [new NativeBlock(koffi, 8), new NativeBlock(koffi, 8)]
    const getter = (symbol: string): ((what: number, attribute: number, bytes: 4 | 8) => number) => {
      const get = own.func(symbol, 'int', ['uint64_t', 'int', 'uint64_t', 'size_t', 'uint64_t']) as unknown as NativeFunction
      return (what, attribute, bytes) => {
        out.words.fill(0)
        expect(get(what, attribute, out.address, bytes, written.address)).toBe(0)
        expect(written.words[0]).toBe(bytes)
        return out.words[0]! + out.words[1]! * 2 ** 32
      }
    }
    const [ofLayout, ofOperation, ofPreference] = ['MatrixLayout', 'MatmulDesc', 'MatmulPreference'].map((what) =>
      getter(`cublasLt${what}GetAttribute`),
    ) as [ReturnType<typeof getter>, ReturnType<typeof getter>, ReturnType<typeof getter>]
    // Type, order, rows, columns, elements apart, batch, and elements from one to the next.
    const layout = (what: number): number[] => ([4, 4, 8, 8, 8, 4, 8] as const).map((bytes, attribute) => ofLayout(what, attribute, bytes))
    const large = product({ dtype: 'bf16', batch: 3, rows: 70000, inner: 65536, columns: 96, flags: '1001' })
    const { operation, first, second, result } = descriptions.product(large)
    // Compute and scale type, pointer mode, transposes, epilogue.
    expect([0, 1, 2, 3, 4, 7].map((attribute) => ofOperation(operation, attribute, 4))).toEqual([68, 0, 0, 0, 1, 1])
    expect(layout(first)).toEqual([14, 0, 96, 65536, 96, 3, 96 * 65536])
    expect(layout(second)).toEqual([14, 0, 70000, 65536, 70000, 3, 0])
    expect(layout(result)).toEqual([14, 0, 96, 70000, 96, 3, 96 * 70000])
    descriptions.destroy({ operation, first, second, result })
    const far = descriptions.product(product({ dtype: 'f16', batch: 2, rows: 2 ** 20, inner: 2 ** 14, columns: 32, flags: '0111' }))
    expect(ofOperation(far.operation, 3, 4)).toBe(1)
    expect(layout(far.second)).toEqual([2, 0, 2 ** 14, 2 ** 20, 2 ** 14, 2, 2 ** 34])
    descriptions.destroy(far)
    const preference = descriptions.preference(32 * 2 ** 20, [256, 8, 16])
    expect(ofPreference(preference, 1, 8)).toBe(32 * 2 ** 20)
    expect([3, 5, 6, 7, 8].map((attribute) => ofPreference(preference, attribute, 4))).toEqual([2, 256, 8, 16, 16])
    call.cublasLtMatmulPreferenceDestroy(preference)
  })
})
