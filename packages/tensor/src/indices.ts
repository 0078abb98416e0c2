import { isInteger, storageView } from './dtype.js'
import { TensorError } from './errors.js'
import type { Handle } from './handle.js'
import { dimMax, printIndex, type Dim } from './shape.js'
import { storageOf } from './storage.js'

/**
 * Checks indices that still wait on the host, which costs a look at each. Those computed on a device are not looked at:
 * there an index outside the axis counts as the nearest one inside. Errors: VALUE names the first that is out of range.
 */
export function checkIndices(op: string, indices: Handle, size: Dim, options: { readonly allowed?: number | undefined } = {}): void {
  const host = storageOf(indices.value.node)?.host
  if (host === undefined || !isInteger(indices.dtype)) return
  const values = storageView(indices.dtype, host.byteOffset % 4 === 0 ? host : host.slice())
  const limit = dimMax(size)
  for (let i = 0; i < values.length; i++) {
    const index = values[i]!
    if ((index >= 0 && index < limit) || index === options.allowed) continue
    throw new TensorError(
      'VALUE',
      `${op}: index ${index} at position ${i} of ${indices.describe()} is out of range; expected ${limit === 0 ? 'none, the axis is empty' : `0 to ${typeof size === 'number' ? limit - 1 : `${printIndex(size)} - 1`}`}`,
    )
  }
}
