import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { TensorError } from '../errors.js'
import { httpSource } from './http.js'
import { openSafetensors } from './safetensors.js'
import { encodeSafetensors } from './safetensors-write.js'

const content = encodeSafetensors([
  { name: 'a', dtype: 'u8', shape: [100_000], bytes: new Uint8Array(100_000).map((_, i) => i & 255) },
  { name: 'b', dtype: 'u8', shape: [50_000], bytes: new Uint8Array(50_000).fill(9) },
])

let server: Server | undefined
afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())))

/** A server on a free port; `answer` may take over a request. Returns the URL and the ranges asked for. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => boolean = () => false,
  bytes = content,
): Promise<{ url: string; ranges: string[] }> {
  const ranges: string[] = []
  server = createServer((request, response) => {
    ranges.push(request.headers.range ?? '')
    if (answer(request, response, ranges.length)) return
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!
    const first = Number(match[1])
    const last = Math.min(Number(match[2]), bytes.byteLength - 1)
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${bytes.byteLength}`, etag: '"one"' })
    response.end(bytes.subarray(first, last + 1))
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.safetensors`, ranges }
}

async function failure(promise: Promise<unknown>): Promise<TensorError> {
  const error: unknown = await promise.then(
    () => 'no error',
    (cause: unknown) => cause,
  )
  expect(TensorError.isInstance(error), String(error)).toBe(true)
  return error as TensorError
}

test('ranges, the first of them holding the header', async () => {
  const { url, ranges } = await serve()
  const file = await openSafetensors(await httpSource(url, { prefixBytes: 1000 }))
  expect(ranges).toEqual(['bytes=0-999'])
  expect(await file.bytes('b')).toEqual(new Uint8Array(50_000).fill(9))
  const { offset } = file.info('b')
  expect(ranges).toEqual(['bytes=0-999', `bytes=${offset}-${offset + 49_999}`])
})

test('a file smaller than the first range takes one request', async () => {
  const { url, ranges } = await serve()
  const file = await openSafetensors(await httpSource(url, { prefixBytes: 1 << 20 }))
  expect((await file.bytes('a'))[255]).toBe(255)
  expect(ranges).toHaveLength(1)
})

test('a server without ranges sends the file once', async () => {
  const { url, ranges } = await serve((_, response) => {
    response.end(content)
    return true
  })
  const file = await openSafetensors(await httpSource(url))
  expect((await file.bytes('b'))[0]).toBe(9)
  expect(ranges).toHaveLength(1)
  const error = await failure(httpSource(url, { maxWholeBytes: 1000 }))
  expect([error.code, error.message]).toEqual(['IO', expect.stringContaining('larger than the 1000 bytes')])
})

test('an empty file', async () => {
  const { url } = await serve((_, response) => {
    response.writeHead(416, { 'content-range': 'bytes */0' }).end()
    return true
  })
  expect((await failure(openSafetensors(await httpSource(url)))).code).toBe('FILE')
})

test.each<[string, (response: ServerResponse, count: number) => boolean, RegExp]>([
  ['not found', (response) => Boolean(response.writeHead(404).end('no')), /answered 404/],
  ['no content-range', (response) => Boolean(response.writeHead(206).end('x')), /names no Content-Range/],
  ['too much', (response) => Boolean(response.writeHead(206, { 'content-range': 'bytes 0-3/4' }).end('12345')), /more than the 4 bytes/],
  ['too little', (response) => Boolean(response.writeHead(206, { 'content-range': 'bytes 0-9/10' }).end('12345')), /sent 5 of the 10/],
  ['connection lost', (response) => Boolean(response.destroy()), /request failed/],
  [
    'changed meanwhile',
    (response, count) =>
      count > 1 &&
      Boolean(response.writeHead(206, { 'content-range': `bytes 0-9/${content.byteLength}`, etag: '"two"' }).end('0123456789')),
    /the file changed since/,
  ],
  ['forbidden later', (response, count) => count > 1 && Boolean(response.writeHead(403).end()), /could not be read: it answered 403/],
])('%s', async (_, answer, message) => {
  const { url } = await serve((__, response, count) => answer(response, count))
  const error = await failure((async () => (await openSafetensors(await httpSource(url, { prefixBytes: 500 }))).bytes('b'))())
  expect(error.code).toBe('IO')
  expect(error.message).toMatch(message)
  expect(error.message).toContain(url)
})

test('aborted', async () => {
  const { url } = await serve()
  expect((await failure(httpSource(url, { signal: AbortSignal.abort() }))).code).toBe('ABORTED')
  const controller = new AbortController()
  const source = await httpSource(url, { signal: controller.signal, prefixBytes: 100 })
  controller.abort()
  expect((await failure(source.read(200, 50_000))).code).toBe('ABORTED')
})

test('the module loads nothing of Node', () => {
  for (const name of ['http', 'source', 'json', 'stored', 'safetensors', 'safetensors-header', 'safetensors-write'])
    expect(readFileSync(new URL(`${name}.ts`, import.meta.url), 'utf8')).not.toMatch(/from 'node:/)
})
