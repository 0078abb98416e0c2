import type { KernelCaps } from '../ir.js'

/** The least that any WebGPU adapter has. */
export const leastCaps: KernelCaps = {
  f16: false,
  subgroups: false,
  sharedBytes: 16384,
  maxInvocations: 256,
  maxWorkgroup: [256, 256, 64],
  maxBindings: 8,
}
