import { describe, expect, it } from 'vitest'
import { buildKernel, f32, i32, u32, type KernelBuilder } from './builder.js'
import { constant, Expr, scalarOf, vector, type Kernel, type KernelCaps } from './ir.js'
import { verifyKernel } from './verify.js'

const caps: KernelCaps = {
  f16: false,
  subgroups: true,
  sharedBytes: 1024,
  maxInvocations: 256,
  maxWorkgroup: [256, 256, 64],
  maxBindings: 4,
}
const kernel = (build: (b: KernelBuilder) => void, workgroup: [number, number, number] = [64, 1, 1]): Kernel =>
  buildKernel({ name: 'tried', workgroup }, build)
const verify = (build: (b: KernelBuilder) => void, given: Partial<KernelCaps> = {}): void =>
  verifyKernel(kernel(build), { ...caps, ...given })

describe('types', () => {
  it.each<[string, () => unknown]>([
    ['add does not take f32, u32', () => f32(1).add(u32(1))],
    ['add does not take vec2<f32>, f32', () => vector(f32(1), f32(2)).add(f32(1))],
    ['shl does not take f32, f32', () => f32(1).shl(1)],
    ['lt does not take bool, bool', () => u32(1).lt(2).lt(u32(1).lt(2))],
    ['exp does not take i32', () => i32(1).unary('exp')],
    ['neg does not take u32', () => u32(1).neg()],
    ['select does not take u32, f32, f32', () => u32(1).select(f32(1), 0)],
    ['bitcast does not take bool', () => u32(1).eq(1).bits('f32')],
    ['lane 2 does not take vec2<f32>', () => vector(f32(1), f32(2)).lane(2)],
    ['vector does not take f32, f32, f32', () => vector(f32(1), f32(2), f32(3))],
    ['4294967296 is no u32', () => u32(2 ** 32)],
    ['1.5 is no i32', () => i32(1.5)],
    ['-1 is no u32', () => u32(3).sub(-1)],
  ])('%s', (message, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'KERNEL', message }) as Error)
  })

  it('are found where a kernel is built', () => {
    expect(() => kernel((b) => b.store(b.storage('x', 'f32'), u32(0), u32(1)))).toThrow('x_0[…] = wants f32, got u32')
    expect(() => kernel((b) => b.load(b.storage('x', 'f32'), f32(0)))).toThrow('x_0 is indexed by u32 or i32, not f32')
    expect(() => kernel((b) => b.storage('x', 'f32', { atomic: true }))).toThrow('atomic arrays hold i32 or u32, not f32')
    expect(() => kernel((b) => b.atomicAdd(b.storage('x', 'u32'), u32(0), u32(1)))).toThrow('x_0 is not atomic')
    expect(() => kernel((b) => b.store(b.storage('x', 'u32', { atomic: true }), u32(0), u32(1)))).toThrow('x_0 is atomic; use atomicAdd')
    expect(() => kernel((b) => b.var('sum', f32(0)).set(u32(1)))).toThrow('sum_0 = wants f32, got u32')
    expect(() => kernel((b) => b.for('i', f32(0), f32(1), 1, () => {}))).toThrow('for i: counts i32 or u32, not f32')
    expect(() => kernel((b) => b.sharedArray('part', 'f32', 0))).toThrow('has a length from 1 on, not 0')
    expect(() => kernel((b) => b.let('2x', f32(1)))).toThrow("'2x' is no name")
  })
})

describe('what a device cannot do', () => {
  it('is named with what it can', () => {
    expect(() =>
      verifyKernel(
        kernel(() => {}, [512, 1, 1]),
        caps,
      ),
    ).toThrow('kernel tried: a workgroup of 512x1x1 threads; the device allows 256')
    expect(() =>
      verifyKernel(
        kernel(() => {}, [1, 1, 65]),
        caps,
      ),
    ).toThrow('256x256x64 along the axes')
    expect(() =>
      verifyKernel(
        kernel(() => {}, [0, 1, 1]),
        caps,
      ),
    ).toThrow('a workgroup of 0x1x1 threads')
    expect(() => verify((b) => ['a', 'b', 'c', 'd', 'e'].forEach((name) => b.storage(name, 'f32')))).toThrow(
      '5 arrays in memory; the device allows 4',
    )
    expect(() => verify((b) => void b.sharedArray('part', 'f32', 257))).toThrow('1028 bytes of shared memory; the device has 1024')
    expect(() => verify((b) => void b.let('x', constant(1, 'f16')))).toThrow('uses f16')
    expect(() => verify((b) => void b.storage('x', 'f16'))).toThrow('uses f16')
    expect(() => verify((b) => void b.subgroup('add', f32(1)), { subgroups: false })).toThrow('subgroup add on a device without subgroups')
  })
})

describe('order and scope', () => {
  it('refuses what is read where it is not set', () => {
    let inside: Expr | undefined
    expect(() =>
      verify((b) => {
        b.if(b.localIndex().eq(0), () => (inside = b.let('x', f32(1))))
        b.let('y', inside!)
      }),
    ).toThrow('x_0 is read where it is not set')
    let counter: Expr | undefined
    expect(() =>
      verify((b) => {
        b.for('i', u32(0), 4, 1, (i) => (counter = i))
        b.let('y', counter!)
      }),
    ).toThrow('i_0 is read where it is not set')
  })

  it('refuses the arrays, numbers and loads of nowhere', () => {
    let foreign: ReturnType<KernelBuilder['storage']>
    let number: Expr
    kernel((b) => {
      foreign = b.storage('x', 'f32')
      number = b.uniform('n')
    })
    expect(() => verify((b) => b.store(foreign, u32(0), f32(1)))).toThrow('x_0 is an array of another kernel')
    expect(() => verify((b) => void b.load(foreign, u32(0)))).toThrow('x_0 is an array of another kernel')
    expect(() => verify((b) => void b.let('m', number))).toThrow('n_0 is a uniform of another kernel')
    expect(() =>
      verify((b) => {
        const x = b.storage('x', 'f32')
        b.let('y', new Expr({ kind: 'load', array: x, index: u32(0) }, scalarOf('f32')).add(1))
      }),
    ).toThrow('a load of x_0 inside another expression')
  })

  it('refuses loops that never end', () => {
    expect(() => verify((b) => b.for('i', u32(0), 4, 0, () => {}))).toThrow('for i_0 never ends: its step is 0')
  })
})

describe('barriers', () => {
  const apart = 'a barrier where only some threads of a workgroup may come by'
  it('may stand where all threads come by', () => {
    verify((b) => {
      const n = b.uniform('n')
      b.barrier()
      b.if(b.workgroupId(0).lt(n), () => b.barrier())
      b.for('i', u32(0), n, 1, () => b.barrier())
      const turns = b.var('turns', u32(3))
      b.for('j', u32(0), turns.value, 1, () => {
        turns.set(turns.value.add(1))
        b.barrier()
      })
    })
  })

  it.each<[string, (b: KernelBuilder) => void]>([
    ['under a condition on the thread', (b) => b.if(b.localId(0).lt(3), () => b.barrier())],
    ['under a condition on what is loaded', (b) => b.if(b.load(b.storage('x', 'f32'), u32(0)).lt(3), () => b.barrier())],
    [
      'in the other branch',
      (b) =>
        b.if(
          b.globalId(0).lt(3),
          () => {},
          () => b.barrier(),
        ),
    ],
    ['in a loop to a bound of the thread', (b) => b.for('i', u32(0), b.localIndex(), 1, () => b.barrier())],
    ['in a loop within such a loop', (b) => b.for('i', b.localIndex(), 64, 1, () => b.for('j', u32(0), 2, 1, () => b.barrier()))],
    [
      'behind a variable that a thread has set',
      (b) => {
        const x = b.var('x', u32(0))
        b.if(b.localIndex().eq(0), () => x.set(1))
        b.if(x.value.eq(1), () => b.barrier())
      },
    ],
    [
      'behind a variable that a later turn of the loop sets',
      (b) => {
        const x = b.var('x', u32(0))
        b.for('i', u32(0), 4, 1, () => {
          b.if(x.value.eq(1), () => b.barrier())
          x.set(b.localIndex())
        })
      },
    ],
  ])('are refused %s', (_, build) => {
    expect(() => verify(build)).toThrow(apart)
  })

  it('and subgroups alike', () => {
    expect(() => verify((b) => b.if(b.localIndex().lt(3), () => void b.subgroup('add', f32(1))))).toThrow(
      'subgroup add where only some threads',
    )
  })
})

describe('matrices of a subgroup', () => {
  const mma = { mma: ['f16'], sharedBytes: 4096 } as const
  const four = vector(f32(0), f32(0), f32(0), f32(0))
  const words = vector(u32(0), u32(0), u32(0), u32(0))
  const multiply = (b: KernelBuilder, of: 'f16' | 'bf16' = 'f16'): void =>
    b.multiplyMatrices(b.var('sum', four), words, vector(u32(0), u32(0)), of)
  const shared = (b: KernelBuilder) => b.sharedArray('tile', 'u32', 64, 4)

  it('are taken where the device has them, all threads come by and subgroups are whole', () => {
    verify((b) => {
      const read = b.matrices(shared(b), b.localIndex(), { offset: 8, transposed: true })
      const sum = b.var('sum', four)
      b.for('i', u32(0), b.uniform('n'), 1, () => b.multiplyMatrices(sum, read, vector(read.lane(0), read.lane(1)), 'f16'))
      b.let('both', b.halves(sum.value.lane(0), sum.value.lane(1), 'f16'))
    }, mma)
    expect(() => verify((b) => multiply(b))).toThrow('uses matrices of f16; the device multiplies none')
    expect(() => verify((b) => void b.matrices(shared(b), u32(0)), { sharedBytes: 4096 })).toThrow(
      'uses matrices; the device multiplies none',
    )
    expect(() => verify((b) => multiply(b, 'bf16'), mma)).toThrow('uses matrices of bf16; the device multiplies f16')
    expect(() => verify((b) => void b.halves(f32(1), f32(2), 'bf16'), mma)).toThrow('uses matrices of bf16')
    expect(() => verify((b) => b.if(b.localIndex().lt(32), () => multiply(b)), mma)).toThrow(
      'a product of matrices where only some threads',
    )
    expect(() => verify((b) => b.if(b.localIndex().lt(32), () => void b.matrices(shared(b), u32(0))), mma)).toThrow(
      'a load of matrices where only some threads',
    )
    expect(() => verifyKernel(kernel(multiply, [48, 1, 1]), { ...caps, ...mma })).toThrow('uses matrices with 48 threads')
    // What they give is each thread's own.
    expect(() =>
      verify((b) => {
        const sum = b.var('sum', four)
        b.multiplyMatrices(sum, words, vector(u32(0), u32(0)), 'f16')
        b.if(sum.value.lane(0).lt(1), () => b.barrier())
      }, mma),
    ).toThrow('a barrier where only some threads')
  })

  it('have their types', () => {
    expect(() => kernel((b) => void b.matrices(b.sharedArray('tile', 'u32', 8), u32(0)))).toThrow(
      'matrices lie in arrays of vec4<u32>, not in',
    )
    expect(() => kernel((b) => b.multiplyMatrices(b.var('sum', f32(0)), words, words, 'f16'))).toThrow('wants vec4<f32>, got f32')
    expect(() => kernel((b) => b.multiplyMatrices(b.var('sum', four), words, words, 'f16'))).toThrow('wants vec2<u32>, got vec4<u32>')
    expect(() => kernel((b) => void b.halves(u32(1), f32(1), 'f16'))).toThrow('the low half wants f32, got u32')
  })

  it('come by copies where the device has them', () => {
    const copy = (b: KernelBuilder): void => {
      b.copyAsync(shared(b), b.localIndex(), b.storage('x', 'u32'), b.localIndex(), b.localIndex().lt(3))
      b.groupCopies()
      b.waitCopies(0)
    }
    verify(copy, { copyAsync: true, sharedBytes: 4096 })
    for (const one of [copy, (b: KernelBuilder) => b.groupCopies(), (b: KernelBuilder) => b.waitCopies(1)])
      expect(() => verify(one, { sharedBytes: 4096 })).toThrow('copies while threads go on, which the device does not')
    expect(() => kernel((b) => b.copyAsync(shared(b), u32(0), b.storage('x', 'f32'), u32(0), u32(0).eq(0)))).toThrow(
      'copies go from words to an array of vec4<u32>, not from x_0 of f32',
    )
    expect(() => kernel((b) => b.waitCopies(-1))).toThrow('a number of groups from 0 on, not -1')
  })

  it('and halves are stored where the device can', () => {
    const store = (b: KernelBuilder): void => b.storeHalf(b.storage('x', 'u32'), b.localIndex(), u32(1))
    verify(store, { storeHalf: true })
    expect(() => verify(store)).toThrow('stores halves of x_0, which the device does not')
    expect(() => kernel((b) => b.storeHalf(b.storage('x', 'f32'), u32(0), u32(1)))).toThrow('halves are stored in arrays of u32')
  })
})
