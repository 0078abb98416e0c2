/**
 * What a jitted function was compiled for: the nesting of its arguments and what is fixed about each leaf. Matching a
 * call against it walks the arguments once and collects their tensors, which is all the work a repeated call does.
 */
import type { Device } from '../device/device.js'
import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { Handle } from '../handle.js'
import { printShape, sameShape, type Shape } from '../shape.js'
import { storageOf, type Storage } from '../storage.js'
import { isBranch } from '../tree.js'

export type Spec =
  | {
      readonly kind: 'tensor'
      readonly slot: number
      readonly path: string
      readonly dtype: DType
      readonly shape: Shape
      readonly frozen: Storage | undefined
    }
  | { readonly kind: 'number'; readonly slot: number; readonly path: string }
  | { readonly kind: 'static'; readonly value: unknown; readonly path: string }
  | { readonly kind: 'array'; readonly items: readonly Spec[]; readonly path: string }
  | { readonly kind: 'record'; readonly keys: readonly string[]; readonly items: readonly Spec[]; readonly path: string }

/** The tensors and numbers of one call, by slot: a slot has one or the other, so both arrays have holes. */
export interface CallLeaves {
  readonly handles: Handle[]
  readonly numbers: number[]
}

/**
 * Describes an argument. Of a static one every leaf counts by value or identity, so that equal configurations share a
 * program and a changed one gets its own. Errors: TRACE for a function or class instance that is not declared static.
 */
export function describeArgument(value: unknown, path: string, next: { slot: number }, isStatic: boolean): Spec {
  if (isStatic && !isBranch(value)) return { kind: 'static', value, path }
  if (value instanceof Handle) {
    const storage = storageOf(value.value.node)
    return {
      kind: 'tensor',
      slot: next.slot++,
      path,
      dtype: value.dtype,
      shape: value.shape,
      frozen: storage?.role === 'frozen' ? storage : undefined,
    }
  }
  if (typeof value === 'number') return { kind: 'number', slot: next.slot++, path }
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'string')
    return { kind: 'static', value, path }
  if (Array.isArray(value))
    return { kind: 'array', items: value.map((item, i) => describeArgument(item, `${path}[${i}]`, next, isStatic)), path }
  if (isBranch(value)) {
    const keys = Object.keys(value)
    return {
      kind: 'record',
      keys,
      items: keys.map((key) => describeArgument((value as Record<string, unknown>)[key], `${path}.${key}`, next, isStatic)),
      path,
    }
  }
  throw new TensorError(
    'TRACE',
    `jit: ${path} is a ${typeof value === 'function' ? 'function' : 'class instance'}; pass tensors, numbers, strings and plain records, or list the argument in static to compile for this very object`,
  )
}

/**
 * Whether an argument fits, collecting its leaves on the way. Tensors on another device than the program's do not; one
 * that has no device yet follows.
 */
export function matches(spec: Spec, value: unknown, leaves: CallLeaves, device: Device | undefined): boolean {
  switch (spec.kind) {
    case 'tensor': {
      if (!(value instanceof Handle)) return false
      if (value.dtype !== spec.dtype || !sameShape(value.shape, spec.shape)) return false
      const storage = storageOf(value.value.node)
      if (storage !== undefined) {
        if (device !== undefined && storage.device !== undefined && storage.device !== device) return false
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
      for (let i = 0; i < spec.items.length; i++) if (!matches(spec.items[i]!, value[i], leaves, device)) return false
      return true
    case 'record': {
      if (!isRecord(value)) return false
      let i = 0
      for (const key in value) {
        if (spec.keys[i] !== key || !matches(spec.items[i]!, value[key], leaves, device)) return false
        i++
      }
      return i === spec.keys.length
    }
    default:
      return spec satisfies never
  }
}

/** The first thing in which a call differs from what a program was compiled for, in words. */
export function difference(spec: Spec, value: unknown, device: Device): string | undefined {
  const { path } = spec
  if (matches(spec, value, { handles: [], numbers: [] }, device)) return undefined
  if (spec.kind === 'tensor' && value instanceof Handle) {
    if (value.dtype !== spec.dtype) return `${path}: dtype ${spec.dtype} → ${value.dtype}`
    if (!sameShape(value.shape, spec.shape)) return `${path}: shape ${printShape(spec.shape)} → ${printShape(value.shape)}`
    const storage = storageOf(value.value.node)
    if (storage?.role === 'frozen' || spec.frozen !== undefined) return `${path}: other frozen weights`
    return `${path}: device ${device.name} → ${storage?.device === undefined || storage.device.name === device.name ? 'another' : storage.device.name}`
  }
  if (spec.kind === 'static') return `${path}: ${printStatic(spec.value)} → ${printStatic(value)}`
  if (spec.kind === 'array' && Array.isArray(value)) {
    if (value.length !== spec.items.length) return `${path}: length ${spec.items.length} → ${value.length}`
    for (let i = 0; i < spec.items.length; i++) {
      const found = difference(spec.items[i]!, value[i], device)
      if (found !== undefined) return found
    }
  }
  if (spec.kind === 'record' && isRecord(value)) {
    const keys = Object.keys(value)
    if (keys.length !== spec.keys.length || keys.some((key, i) => key !== spec.keys[i]))
      return `${path}: keys {${spec.keys.join(', ')}} → {${keys.join(', ')}}`
    for (let i = 0; i < keys.length; i++) {
      const found = difference(spec.items[i]!, value[keys[i]!], device)
      if (found !== undefined) return found
    }
  }
  return `${path}: another kind of value`
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => !Array.isArray(value) && isBranch(value)

const printStatic = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value)
    : typeof value === 'function'
      ? 'another function'
      : typeof value === 'object' && value !== null
        ? 'another object'
        : String(value)
