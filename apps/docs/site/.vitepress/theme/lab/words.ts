import { wordVectors, type WordVectors } from '@tesserae/transformer'
import { fetchFile } from './fetch-file.js'

/** Reads what `scripts/write-words.mts` wrote: for each word a float32 scale and signed bytes. */
export async function loadWords(folder: string, signal: AbortSignal): Promise<WordVectors> {
  const [text, buffer] = await Promise.all([
    fetchFile(`${folder}/words.txt`, signal).then((found) => found.text()),
    fetchFile(`${folder}/vectors.bin`, signal).then((found) => found.arrayBuffer()),
  ])
  const words = text.split('\n')
  const record = buffer.byteLength / words.length
  if (!Number.isInteger(record))
    throw new Error(`The words and their vectors do not belong together: ${words.length} words, ${buffer.byteLength} bytes`)
  const view = new DataView(buffer)
  return wordVectors(
    words.map((word, row) => {
      const scale = view.getFloat32(row * record, true)
      return [word, Float32Array.from(new Int8Array(buffer, row * record + 4, record - 4), (value) => value * scale)] as const
    }),
  )
}
