import { describe, expect, it } from 'vitest'
import { constantsOf, detectFamily, type LibraryProbe } from './families.js'
import { launchedSize, libraryNames, openMpiLibrary } from './library.js'

const mpi3 = ['MPI_Init_thread', 'MPI_Iallreduce', 'MPI_Get_library_version']

/** A library by its symbols, its answer about the standard ABI, and its words about itself. */
const library = (symbols: readonly string[], said: string, abi = -1): LibraryProbe => ({
  has: (symbol) => [...mpi3, ...symbols].includes(symbol),
  abiMajor: () => abi,
  version: () => said,
})

describe('detectFamily', () => {
  it.each([
    ['openmpi', library(['ompi_mpi_comm_world'], 'Open MPI v4.1.4, package: Debian OpenMPI')],
    ['mpich', library([], 'MPICH Version:\t4.0.2\nMPICH Release date:\t…')],
    ['mpich', library([], 'Intel(R) MPI Library 2021.13 for Linux* OS')],
    // MPICH 5 has the function in both of its libraries, and says in one that its interface is another.
    ['mpich', library(['MPI_Abi_get_version'], 'MPICH Version:\t5.0.2', -1)],
    ['abi', library(['MPI_Abi_get_version'], 'MPICH Version:\t5.0.2', 1)],
    // The standard interface over Open MPI: the symbols of what lies below are seen.
    ['abi', library(['MPI_Abi_get_version', 'ompi_mpi_comm_world'], 'Open MPI v6.0.0', 1)],
  ])('finds %s', (family, probe) => {
    expect(detectFamily('libmpi.so', probe)).toBe(family)
  })

  it('refuses what it does not know, with its words', () => {
    expect(() => detectFamily('libx.so', library([], 'Another MPI 1.0\nmore'))).toThrow(
      'libx.so says it is "Another MPI 1.0"; expected Open MPI, MPICH',
    )
    expect(() => detectFamily('libm.so.6', { ...library([], ''), has: () => false })).toThrow('not an MPI library of version 3.0 or later')
  })
})

describe('constantsOf', () => {
  it('takes addresses from Open MPI and numbers from the headers of the others', () => {
    const asked: string[] = []
    const open = constantsOf('openmpi', (symbol) => asked.push(symbol) * 4096)
    expect(open).toMatchObject({ handle: 'int64_t', inPlace: 1, funneled: 1, world: 4096 })
    expect(asked).toContain('ompi_mpi_op_sum')
    const none = (): never => {
      throw new Error('no symbol is needed')
    }
    expect(constantsOf('mpich', none)).toMatchObject({
      handle: 'int32_t',
      inPlace: -1,
      funneled: 1,
      world: 0x44000000,
      types: { f32: 0x4c00040a },
      ops: { sum: 0x58000003 },
    })
    expect(constantsOf('abi', none)).toMatchObject({
      handle: 'int64_t',
      inPlace: 1,
      funneled: 1024,
      world: 0x101,
      types: { f32: 0x210 },
      ops: { sum: 0x21 },
    })
  })
})

describe('the library', () => {
  it("is the user's, or the launcher's, or whichever there is", () => {
    expect(libraryNames({ TESSERAE_MPI_LIBRARY: '/opt/mpi/libmpi.so' }, 'linux')).toEqual(['/opt/mpi/libmpi.so'])
    expect(libraryNames({}, 'linux')).toEqual(['libmpi.so.40', 'libmpi.so.12', 'libmpich.so.12', 'libmpi_abi.so.1', 'libmpi_abi.so.0'])
    expect(libraryNames({ PMI_SIZE: '2' }, 'linux')[0]).toBe('libmpi.so.12')
    expect(libraryNames({ OMPI_COMM_WORLD_SIZE: '2' }, 'linux')[0]).toBe('libmpi.so.40')
    expect(libraryNames({}, 'darwin')).toContain('/opt/homebrew/lib/libmpi.40.dylib')
    expect([launchedSize({}), launchedSize({ OMPI_COMM_WORLD_SIZE: '3' }), launchedSize({ PMI_SIZE: '2' })]).toEqual([undefined, 3, 2])
  })

  it('is refused in words', async () => {
    if (process.platform !== 'linux') return
    await expect(openMpiLibrary({ TESSERAE_MPI_LIBRARY: '/no/libmpi.so' })).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(
        /no MPI library could be opened \(\/no\/libmpi\.so: .*\)\. Install one \(Debian: apt-get install openmpi-bin, or mpich\)/,
      ),
    })
    await expect(openMpiLibrary({ TESSERAE_MPI_LIBRARY: 'libm.so.6' })).rejects.toThrow('libm.so.6 is not an MPI library')
  })
})
