/**
 * The three binary interfaces that MPI libraries have: what handles are, and the values of constants that C programs get from `mpi.h`. Sources: Open MPI's and MPICH's headers, and the MPI
 * standard, version 5.0, chapter "MPI ABI" with its `mpi_abi.h`.
 */
import { TensorError } from '../../../errors.js'

/** `openmpi`: handles are addresses of objects in the library. `mpich`: 32-bit numbers, as in MPICH, Intel MPI, MVAPICH and Cray MPI. `abi`: the standard's own, small numbers in pointers. */
export type MpiFamily = 'openmpi' | 'mpich' | 'abi'

/** What can be asked of a library before MPI is started. */
export interface LibraryProbe {
  readonly has: (symbol: string) => boolean
  /** What MPI_Abi_get_version says, 0 or less when the library has another interface. Only asked where there is such a function. */
  readonly abiMajor: () => number
  /** What MPI_Get_library_version says. */
  readonly version: () => string
}

const kinOfMpich = /MPICH|Intel\(R\) MPI|MVAPICH|ParaStation/i

/** Which interface a library has. Errors: DEVICE when it is none of the three. */
export function detectFamily(path: string, { has, abiMajor, version }: LibraryProbe): MpiFamily {
  if (!has('MPI_Init_thread') || !has('MPI_Iallreduce'))
    throw new TensorError('DEVICE', `${path} is not an MPI library of version 3.0 or later: it lacks MPI_Init_thread or MPI_Iallreduce`)
  // First, because a library of the standard interface may be a thin one over Open MPI's, whose symbols are then seen too.
  if (has('MPI_Abi_get_version') && abiMajor() >= 1) return 'abi'
  if (has('ompi_mpi_comm_world')) return 'openmpi'
  const said = version()
  if (kinOfMpich.test(said)) return 'mpich'
  throw new TensorError(
    'DEVICE',
    `${path} says it is ${JSON.stringify(said.split('\n')[0])}; expected Open MPI, MPICH or a kin of it, or a library with the standard ABI of MPI 5. Name another one in TESSERAE_MPI_LIBRARY`,
  )
}

/** The constants that this package passes. Addresses and handles are numbers. */
export interface MpiConstants {
  /** C type of a handle, in koffi's words. */
  readonly handle: 'int32_t' | 'int64_t'
  /** Passed as a buffer: the data is where the result goes. */
  readonly inPlace: number
  /** Level of thread support at which one thread makes all calls. */
  readonly funneled: number
  readonly world: number
  readonly errorsReturn: number
  readonly types: { readonly f32: number; readonly f64: number; readonly i32: number; readonly u8: number }
  readonly ops: { readonly sum: number; readonly max: number; readonly min: number }
}

/** `address` finds a symbol of the library, for Open MPI. */
export function constantsOf(family: MpiFamily, address: (symbol: string) => number): MpiConstants {
  switch (family) {
    case 'openmpi':
      return {
        handle: 'int64_t',
        inPlace: 1,
        funneled: 1,
        world: address('ompi_mpi_comm_world'),
        errorsReturn: address('ompi_mpi_errors_return'),
        types: {
          f32: address('ompi_mpi_float'),
          f64: address('ompi_mpi_double'),
          i32: address('ompi_mpi_int'),
          u8: address('ompi_mpi_byte'),
        },
        ops: { sum: address('ompi_mpi_op_sum'), max: address('ompi_mpi_op_max'), min: address('ompi_mpi_op_min') },
      }
    case 'mpich':
      return {
        handle: 'int32_t',
        inPlace: -1,
        funneled: 1,
        world: 0x44000000,
        errorsReturn: 0x54000001,
        types: { f32: 0x4c00040a, f64: 0x4c00080b, i32: 0x4c000405, u8: 0x4c00010d },
        ops: { sum: 0x58000003, max: 0x58000001, min: 0x58000002 },
      }
    case 'abi':
      return {
        handle: 'int64_t',
        inPlace: 1,
        funneled: 1024,
        world: 0x101,
        errorsReturn: 0x143,
        types: { f32: 0x210, f64: 0x214, i32: 0x209, u8: 0x247 },
        ops: { sum: 0x21, max: 0x23, min: 0x22 },
      }
    default:
      return family satisfies never
  }
}
