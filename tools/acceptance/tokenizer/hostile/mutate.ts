// Makes right files wrong, the same way for the same seed.
import { jsonNames, jsonOf } from './valid.js'

export type Random = () => number
type Container = Record<string, unknown> | unknown[]

const below = (random: Random, count: number): number => Math.floor(random() * count)
export const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)]!

/** What a field of a JSON file may be that its reader does not expect. */
const HOSTILE_VALUES: readonly unknown[] = [
  null, true, false, -1, 0, 1, 7, 1.5, -0.5, 255, 65_536, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e308, 5e-324, '', ' ', 'a', 'constructor', '__proto__', 'toString', '\ud800', '\0', '\u2581', '<unk>',
  '(a+)+$', 'a{1000}{1000}', '[', '(?<=a*)b', '\\p{L}+', 'a'.repeat(5000), [], [[]], [null], ['a', 'b'], ['a', 1], {}, { type: 'Sequence' }, { type: '__proto__' }, { Regex: '(' }, { String: '' }, { Regex: 'a*' },
] // prettier-ignore

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null

/** A place in a JSON value, found by going down at random; places near the top are likelier than one of thousands of tokens. */
function placeIn(random: Random, root: Container): { readonly holder: Container; readonly key: string } {
  let holder = root
  for (;;) {
    const keys = Object.keys(holder)
    if (keys.length === 0) return { holder, key: Array.isArray(holder) ? '0' : 'extra' }
    const key = pick(random, keys)
    const value = (holder as Record<string, unknown>)[key]
    if (!isContainer(value) || random() < 0.2) return { holder, key }
    holder = value
  }
}

const COMPONENTS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'truncation', 'padding', 'added_tokens', 'model'] as const

/** A JSON value with one to three changes. */
export function mutateJson(random: Random, value: Container): Container {
  const changed = structuredClone(value)
  for (let i = 0, count = 1 + below(random, 3); i < count; i++) {
    const kind = below(random, 8)
    if (kind === 0 && 'model' in changed) {
      // A component of another file: often right, never meant.
      const other = jsonOf(pick(random, jsonNames))
      const name = pick(random, COMPONENTS)
      ;(changed as Record<string, unknown>)[name] = structuredClone(other[name])
      continue
    }
    const { holder, key } = placeIn(random, changed)
    const at = holder as Record<string, unknown>
    if (kind === 1) {
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete at[key]
    } else if (kind === 2 && Array.isArray(holder) && holder.length > 0) {
      holder.push(structuredClone(holder[Number(key)]))
    } else if (kind === 3) {
      const other = pick(random, Object.keys(holder).concat(key))
      ;[at[key], at[other]] = [at[other], at[key]]
    } else if (kind === 4) at[key] = [at[key]]
    else if (kind === 5 && typeof at[key] === 'string') at[key] = mutateText(random, at[key])
    else if (kind === 5 && typeof at[key] === 'number') at[key] = at[key] * pick(random, [-1, 2, 0.5, 1e6, 2 ** 32]) + below(random, 3)
    else at[key] = structuredClone(pick(random, HOSTILE_VALUES))
  }
  return changed
}

const INSERTED = ['\0', '"', '{', '}', '[', ']', '{{', '}}', '{%', '%}', '(', ')*', '+', '\\', '\ud800', '\ufeff', ' ', '\n', '9'.repeat(12), 'a'.repeat(300), 'é', '%', '|', '.', '{% for i in range(99999999) %}', '{{ x * 99999 }}'] // prettier-ignore

/** A text with one to four changes: stretches taken out, doubled, moved or put in. */
export function mutateText(random: Random, text: string): string {
  for (let i = 0, count = 1 + below(random, 4); i < count; i++) {
    const [start, length] = [below(random, text.length + 1), 1 + below(random, 12)]
    const stretch = text.slice(start, start + length)
    const before = text.slice(0, start)
    const behind = text.slice(start + length)
    const kind = below(random, 5)
    if (kind === 0) text = before + behind
    else if (kind === 1) text = before + stretch + stretch + behind
    else if (kind === 2) text = before + pick(random, INSERTED) + stretch + behind
    else if (kind === 3) text = behind + before + stretch
    else text = random() < 0.3 ? before : before + pick(random, INSERTED) + behind
  }
  return text
}

const EXTREMES: readonly (readonly number[])[] = [[0], [255], [127], [128], [0, 0, 0, 0], [255, 255, 255, 255], [255, 255, 255, 127], [0, 0, 0, 128], [0, 0, 128, 127], [255, 255, 255, 255, 255, 255, 255, 255, 255, 1], [0, 0, 192, 127]] // prettier-ignore

/** A file with one to five changes of its bytes, more often near its beginning and end, where lengths and settings stand. */
export function mutateBytes(random: Random, file: Uint8Array): Uint8Array {
  let bytes = Buffer.from(file)
  for (let i = 0, count = 1 + below(random, 5); i < count; i++) {
    const spread = pick(random, [64, 1024, bytes.length])
    const at = Math.max(0, Math.min(bytes.length - 1, random() < 0.7 ? below(random, spread) : bytes.length - 1 - below(random, spread)))
    const kind = below(random, 6)
    if (bytes.length === 0) return bytes
    if (kind === 0) bytes[at] = below(random, 256)
    else if (kind === 1) bytes[at]! ^= 1 << below(random, 8)
    else if (kind === 2) bytes.set(pick(random, EXTREMES).slice(0, bytes.length - at), at)
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + below(random, 8)))])
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(random, EXTREMES)), bytes.subarray(at)])
    else if (random() < 0.4) bytes = bytes.subarray(0, at)
    else bytes = Buffer.concat([bytes, bytes.subarray(at, at + 64)])
  }
  return Uint8Array.from(bytes)
}
