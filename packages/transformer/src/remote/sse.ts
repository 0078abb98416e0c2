/** Server-sent events (HTML Standard, "Server-sent events"), as far as their data goes. */
import { TransformerError } from '../errors.js'

/** Characters of one event: whoever sends more does not mean well. */
const MOST = 16 << 20

/** The data of each event. Errors: REMOTE for an event without end or bytes that are no UTF-8, and what the reader throws. */
export async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const reader = body.getReader()
  let rest = ''
  let data: string[] = []
  let size = 0
  const line = (text: string): string | undefined => {
    if (text === '') {
      const whole = data.length === 0 ? undefined : data.join('\n')
      data = []
      size = 0
      return whole
    }
    if (!text.startsWith('data:')) return undefined
    data.push(text.slice(text[5] === ' ' ? 6 : 5))
    size += text.length
    return undefined
  }
  try {
    for (;;) {
      const { value, done } = await reader.read()
      rest += decoded(decoder, value)
      // A carriage return at the end may be the first half of a line's end.
      const cut = !done && rest.endsWith('\r') ? rest.length - 1 : rest.length
      const lines = rest.slice(0, cut).split(/\r\n|\n|\r/)
      rest = (done ? '' : lines.pop()!) + rest.slice(cut)
      for (const one of done ? [...lines, ''] : lines) {
        const event = line(one)
        if (event !== undefined) yield event
      }
      if (done) return
      if (rest.length + size > MOST) throw new TransformerError('REMOTE', `the server sent an event of more than ${MOST} characters`)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function decoded(decoder: TextDecoder, bytes: Uint8Array | undefined): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
  } catch (cause) {
    throw new TransformerError('REMOTE', 'the server sent bytes that are not UTF-8', { cause })
  }
}
