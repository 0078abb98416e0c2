/**
 * What a jitted function was compiled for: the nesting of its arguments and what is fixed about each leaf. Matching a
 * call against it walks the arguments once and collects their tensors, which is all the work a repeated call does.
 */
import { TensorError } from '../errors.js'
import { Handle } from '../handle.js'
import { printShape, sameShape, type Shape } from '../shape.js'
import { storageOf, type Storage } from '../storage.js'
import { isBranch } from '../tree.js'

export type Spec =
  | { readonly kind: 'tensor'; readonly slot: number; readonly path: string; readonly dtype: string; readonly shape: Shape; readonly device: object | undefined; readonly frozen: Storage | undefined; readonly trainable: boolean }
  | { readonly kind: 'number'; readonly slot: number; readonly path: string }
  | { readonly kind: 'static'; readonly value: unknown; readonly path: string }
  | { readonly kind: 'array'; readonly items: readonly Spec[]; readonly path: string }
  | { readonly kind: 'record'; readonly keys: readonly string[]; readonly items: readonly Spec[]; readonly path: string }

/** The tensors and numbers of one call, by slot. */
export interface CallLeaves {
  readonly handles: (Handle | undefined)[]
  readonly numbers: number[]
}

/** Describes an argument. Errors: TRACE for a function or class instance that is not declared static. */
export function describeArgument(value: unknown, path: string, next: { slot: number }, isStatic: boolean): Spec {
  if (isStatic) return { kind: 'static', value, path }
  if (value instanceof Handle) {
    const storage = storageOf(value.value.node)
    return {
      kind: 'tensor', slot: next.slot++, path, dtype: value.dtype, shape: value.shape, device: storage?.device,
      frozen: storage?.role === 'frozen' ? storage : undefined, trainable: storage?.role === 'trainable',
    }
  }
  if (typeof value === 'number') return { kind: 'number', slot: next.slot++, path }
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'string') return { kind: 'static', value, path }
  if (Array.isArray(value)) return { kind: 'array', items: value.map((item, i) => describeArgument(item, `${path}[${i}]`, next, false)), path }
  if (isBranch(value)) {
    const keys = Object.keys(value)
    return { kind: 'record', keys, items: keys.map((key) => describeArgument((value as Record<string, unknown>)[key], `${path}.${key}`, next, false)), path }
  }
  throw new TensorError('TRACE', `jit: ${path} is a ${typeof value === 'function' ? 'function' : 'class instance'}; pass tensors, numbers, strings and plain records, or list the argument in static to compile for this very object`)
}

/** Whether an argument fits, collecting its leaves on the way. */
export function matches(spec: Spec, value: unknown, leaves: CallLeaves): boolean {
  switch (spec.kind) {
    case 'tensor': {
      if (!(value instanceof Handle)) return false
      if (value.dtype !== spec.dtype || !sameShape(value.shape, spec.shape)) return false
      const storage = storageOf(value.value.node)
      if (storage !== undefined) {
        if (storage.device !== undefined && spec.device !== undefined && storage.device !== spec.device) return false
        if (storage.role === 'frozen' ? spec.frozen !== storage : spec.frozen !== undefined) return false
      } else if (spec.frozen !== undefined) return false
      leaves.handles[spec.slot] = value
      return true
    }
    case 'number':
      if (typeof value !== 'number') return false
      leaves.numbers[spec.slot] = value
      return true
    case 'static':
      return Object.is(spec.value, value)
    case 'array':
      if (!Array.isArray(value) || value.length !== spec.items.length) return false
      for (let i = 0; i < spec.items.length; i++) if (!matches(spec.items[i]!, value[i], leaves)) return false
      return true
    case 'record': {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Handle) return false
      let i = 0
      for (const key in value) {
        if (spec.keys[i] !== key || !matches(spec.items[i]!, (value as Record<string, unknown>)[key], leaves)) return false
        i++
      }
      return i === spec.keys.length
    }
    default:
      return spec satisfies never
  }
}

/** The first thing in which a call differs from what a program was compiled for, in words. */
export function difference(spec: Spec, value: unknown): string | undefined {
  const scratch: CallLeaves = { handles: [], numbers: [] }
  if (matches(spec, value, scratch)) return undefined
  const { path } = spec
  if (spec.kind === 'tensor' && value instanceof Handle) {
    if (value.dtype !== spec.dtype) return `${path}: dtype ${spec.dtype} → ${value.dtype}`
    if (!sameShape(value.shape, spec.shape)) return `${path}: shape ${printShape(spec.shape)} → ${printShape(value.shape)}`
    const storage = storageOf(value.value.node)
    if (storage?.role === 'frozen' || spec.frozen !== undefined) return `${path}: other frozen weights`
    return `${path}: device`
  }
  if (spec.kind === 'static') return `${path}: ${printStatic(spec.value)} → ${printStatic(value)}`
  if (spec.kind === 'array' && Array.isArray(value)) {
    if (value.length !== spec.items.length) return `${path}: length ${spec.items.length} → ${value.length}`
    for (let i = 0; i < spec.items.length; i++) {
      const found = difference(spec.items[i]!, value[i])
      if (found !== undefined) return found
    }
  }
  if (spec.kind === 'record' && isBranch(value) && !Array.isArray(value)) {
    const keys = Object.keys(value)
    if (keys.length !== spec.keys.length || keys.some((key, i) => key !== spec.keys[i])) return `${path}: keys {${spec.keys.join(', ')}} → {${keys.join(', ')}}`
    for (let i = 0; i < keys.length; i++) {
      const found = difference(spec.items[i]!, (value as Record<string, unknown>)[keys[i]!])
      if (found !== undefined) return found
    }
  }
  return `${path}: another kind of value`
}

const printStatic = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : typeof value === 'function' ? 'another function' : typeof value === 'object' && value !== null ? 'another object' : String(value)
