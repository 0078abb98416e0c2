import { TokenizerError } from '../errors.js'
import type { Tokenizer } from '../tokenizer.js'
import type { Request, Response, WireError } from './protocol.js'
import { readSource } from './source.js'

/** The side of a thread that it talks to the one that started it by. */
export interface ThreadPort {
  receive(handle: (message: unknown) => void): void
  send(message: unknown, transfer: readonly ArrayBuffer[]): void
}

/** Answers requests: reads the tokenizer, then encodes texts by it, in the order in which they come. */
export function serve(port: ThreadPort): void {
  let tokenizer: Promise<Tokenizer> | undefined
  const send = (response: Response, transfer: readonly ArrayBuffer[] = []): void => port.send(response, transfer)
  port.receive((message) => {
    const request = message as Request
    if (request.kind === 'load') {
      tokenizer = readSource(request.source)
      tokenizer.then(
        () => send({ kind: 'loaded' }),
        (error: unknown) => send({ kind: 'failed', error: wired(error) }),
      )
      return
    }
    // Nothing is encoded before the tokenizer is there.
    void tokenizer?.then((loaded) => {
      const response = encodeAll(loaded, request)
      send(response, response.kind === 'encoded' ? [response.ids.buffer, response.ends.buffer] : [])
    })
  })
  send({ kind: 'ready' })
}

function encodeAll(tokenizer: Tokenizer, { job, texts, options }: Extract<Request, { kind: 'encode' }>): Response {
  const encoded: Uint32Array[] = []
  const ends = new Uint32Array(texts.length)
  let length = 0
  for (const [i, text] of texts.entries()) {
    try {
      const ids = tokenizer.encode(text, options)
      encoded.push(ids)
      ends[i] = length += ids.length
    } catch (error) {
      return { kind: 'failed', job, error: { ...wired(error), text: i } }
    }
  }
  const ids = new Uint32Array(length)
  for (const [i, part] of encoded.entries()) ids.set(part, ends[i]! - part.length)
  return { kind: 'encoded', job, ids, ends }
}

function wired(error: unknown): WireError {
  if (!(error instanceof TokenizerError)) return { message: error instanceof Error ? error.message : String(error) }
  const { code, message, token, position } = error
  return { code, message, ...(token === undefined ? {} : { token }), ...(position === undefined ? {} : { position }) }
}
