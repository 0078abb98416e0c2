/** A trainer's state as JSON with names in place of tensors, and back. */
import { Tensor, type TensorEntry } from '@tesserae/tensor'
import { RlhfError } from '../errors.js'

/** What stands for a tensor. */
interface TensorName {
  readonly $tensor: string
}

/**
 * Takes a state apart. The order of keys is part of it: sums over all gradients are taken in that order, and another one would round differently. Errors:
 * CHECKPOINT for what is neither JSON nor a tensor.
 */
export function takeApart(state: unknown): { readonly json: unknown; readonly tensors: readonly TensorEntry[] } {
  const tensors: TensorEntry[] = []
  const visit = (value: unknown, path: string): unknown => {
    if (value instanceof Tensor) {
      tensors.push({ name: path, dtype: value.dtype, shape: value.shape as readonly number[], bytes: () => value.bytes() })
      return { $tensor: path } satisfies TensorName
    }
    if (Array.isArray(value)) return value.map((item, i) => visit(item, `${path}.${i}`))
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, visit(item, join(path, key))]])),
      )
    if (value === null || ['number', 'string', 'boolean'].includes(typeof value)) {
      if (typeof value === 'number' && !Number.isFinite(value)) throw unsuitable(path, value)
      return value
    }
    throw unsuitable(path, value)
  }
  return { json: visit(state, ''), tensors }
}

/** Puts a state together again. Errors: CHECKPOINT. */
export function putTogether(json: unknown, tensors: ReadonlyMap<string, Tensor>, label: string): unknown {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit)
    if (typeof value !== 'object' || value === null) return value
    if ('$tensor' in value) {
      const tensor = tensors.get(String(value.$tensor))
      if (tensor === undefined)
        throw new RlhfError(
          'CHECKPOINT',
          `${label}: tensor '${String(value.$tensor)}' is missing from the file beside it; the two belong to different checkpoints`,
        )
      return tensor
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item)]))
  }
  return visit(json)
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

const unsuitable = (path: string, value: unknown): RlhfError =>
  new RlhfError(
    'CHECKPOINT',
    `the state has ${String(value)} at '${path}', which cannot be kept; expected tensors, finite numbers, text, lists and records of them`,
  )
