import { TensorError } from '../../../errors.js'
import { codeOf } from '../status.js'
import type { FaultKind } from './fault.js'

/** `CUresult`, those that the emulator answers with. Source: NVIDIA, "CUDA Driver API". */
const names = {
  1: 'CUDA_ERROR_INVALID_VALUE',
  2: 'CUDA_ERROR_OUT_OF_MEMORY',
  3: 'CUDA_ERROR_NOT_INITIALIZED',
  4: 'CUDA_ERROR_DEINITIALIZED',
  101: 'CUDA_ERROR_INVALID_DEVICE',
  201: 'CUDA_ERROR_INVALID_CONTEXT',
  209: 'CUDA_ERROR_NO_BINARY_FOR_GPU',
  218: 'CUDA_ERROR_INVALID_PTX',
  222: 'CUDA_ERROR_UNSUPPORTED_PTX_VERSION',
  400: 'CUDA_ERROR_INVALID_HANDLE',
  500: 'CUDA_ERROR_NOT_FOUND',
  700: 'CUDA_ERROR_ILLEGAL_ADDRESS',
  702: 'CUDA_ERROR_LAUNCH_TIMEOUT',
  716: 'CUDA_ERROR_MISALIGNED_ADDRESS',
  719: 'CUDA_ERROR_LAUNCH_FAILED',
  900: 'CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED',
  907: 'CUDA_ERROR_CAPTURED_EVENT',
} as const
export type Status = keyof typeof names

/** The error that a driver's status becomes, by the rule of `CudaDriver`. */
export function statusError(status: Status, call: string, about: string): TensorError {
  const code = status === 218 || status === 222 || status === 209 ? 'KERNEL' : codeOf(status)
  return new TensorError(code, `${call}: ${names[status]} (${status}): ${about}`)
}

/** What a device would answer; it has no word for races, and may as well go wrong there in any way. */
export const faultStatus = (kind: FaultKind): Status =>
  kind === 'address' ? 700 : kind === 'misaligned' ? 716 : kind === 'endless' ? 702 : 719
