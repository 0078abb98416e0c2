import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { decodeVector, encodeVector } from '../../store/jsonl.js'
import type { EmbeddingCache } from '../cache.js'

/**
 * A cache that a file keeps, one line of JSON for each vector, so that a new index of old texts costs no calls. Lines that cannot be read are
 * passed over: their texts are embedded again.
 */
export function fileEmbeddingCache(path: string): EmbeddingCache {
  let loaded: Promise<Map<string, Float32Array>> | undefined
  let last: Promise<unknown> = Promise.resolve()
  const entriesOf = () => (loaded ??= load(path))
  return {
    async get(keys) {
      const entries = await entriesOf()
      return keys.map((key) => entries.get(key))
    },
    async set(entries) {
      const known = await entriesOf()
      const fresh = entries.filter(([key]) => !known.has(key))
      if (fresh.length === 0) return
      for (const [key, vector] of fresh) known.set(key, vector)
      const lines = fresh.map(([key, vector]) => `${JSON.stringify([key, encodeVector(vector)])}\n`).join('')
      // One write after another, so that lines stay whole.
      const written = last.then(() => appendFile(path, lines))
      last = written.catch(() => undefined)
      await written
    },
  }
}

async function load(path: string): Promise<Map<string, Float32Array>> {
  const entries = new Map<string, Float32Array>()
  await mkdir(dirname(path), { recursive: true })
  let text = ''
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
  }
  // A line that was cut short must not swallow the next one written.
  if (text !== '' && !text.endsWith('\n')) await appendFile(path, '\n')
  for (const line of text.split('\n')) {
    const match = /^\["([0-9a-f]+)","([A-Za-z0-9+/=]+)"\]$/.exec(line)
    const vector = match === null ? undefined : decodeVector(match[2]!)
    if (match !== null && vector !== undefined) entries.set(match[1]!, vector)
  }
  return entries
}
