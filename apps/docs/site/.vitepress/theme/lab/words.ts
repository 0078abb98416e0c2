import { wordVectors, type WordVectors } from '@tesserae/transformer'

/** Reads what `scripts/write-words.mts` wrote: for each word a float32 scale and signed bytes. */
export async function loadWords(folder: string, signal: AbortSignal): Promise<WordVectors> {
  const get = async (name: string): Promise<Response> => {
    const response = await fetch(`${folder}/${name}`, { signal })
    if (!response.ok) throw new Error(`${response.url} answered ${response.status}: the vectors are not where the page expects them`)
    return response
  }
  const [text, buffer] = await Promise.all([
    get('words.txt').then((found) => found.text()),
    get('vectors.bin').then((found) => found.arrayBuffer()),
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
