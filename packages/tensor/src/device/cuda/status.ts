import { TensorError, type TensorErrorCode } from '../../errors.js'

/** `CUresult`, those that are told apart. */
export const cudaStatus = {
  success: 0,
  invalidValue: 1,
  outOfMemory: 2,
  notFound: 500,
  notReady: 600,
  illegalAddress: 700,
} as const

/** After these a context does nothing more: deinitialised, and what kernels did wrong. */
const lost = new Set([4, 700, 702, 714, 715, 716, 717, 718, 719])
/** There is no device, or none that this driver can use: a stub library, none found, bad ordinal, versions that do not fit each other. */
const absent = new Set([34, 100, 101, 803, 804])
/** The text of a kernel is refused. */
const refused = new Set([200, 209, 218, 220, 221, 222, 223, 300])

/** The code of an error that a status becomes. */
export const codeOf = (status: number): TensorErrorCode => {
  if (status === cudaStatus.outOfMemory) return 'OUT_OF_MEMORY'
  if (lost.has(status)) return 'DEVICE_LOST'
  if (absent.has(status)) return 'DEVICE'
  return 'RUNTIME'
}

/** The error of a call of the driver that did not succeed. `about` says what it was for, `name` is the driver's name of the status. */
export const cudaError = (call: string, about: string, status: number, name: string): TensorError =>
  new TensorError(codeOf(status), `${call}${about === '' ? '' : ` (${about})`} failed: ${name} (${status})`)

/** The error of a call that compiles; `log` is what the compiler said. */
export const compileError = (call: string, about: string, status: number, name: string, log: string): TensorError =>
  refused.has(status)
    ? new TensorError('KERNEL', `${call} (${about}) refuses the kernel: ${name} (${status})${log === '' ? '' : `\n${log}`}`)
    : cudaError(call, about, status, name)
