import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm } from '../../lm/types.js'
import { hostileRequests, sendHostile } from '../testing/hostile-requests.js'
import { serve, type LmServer } from './server.js'

let lm: Lm
let server: LmServer
const errors: unknown[] = []
beforeAll(async () => {
  lm = await tinyLm()
  server = await serve(
    { models: { tiny: lm } },
    { port: 0, limits: { bodyBytes: 256 << 10, headerSeconds: 1, receiveSeconds: 1 }, onError: (error) => errors.push(error) },
  )
})
afterAll(async () => {
  await server.close(0)
  await lm.dispose()
})

describe('serve and requests that mean no good', () => {
  it('answers each with a typed error and goes on', async () => {
    const outcomes = await Promise.all(
      hostileRequests().map(async (request) => ({ request, outcome: await sendHostile(server.port, request) })),
    )
    for (const { request, outcome } of outcomes) {
      expect(request.expect, `${request.name}: ${outcome.body}`).toContain(outcome.status)
      if (typeof outcome.status === 'number' && outcome.status >= 400) {
        const { error } = JSON.parse(outcome.body) as { error: { message: string; type: string; code: string } }
        expect(typeof error.message, request.name).toBe('string')
        expect(outcome.body, request.name).toContain(request.names ?? '')
      }
    }
    expect(errors).toEqual([])
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('answers pipelined requests in their order', async () => {
    const three = ['/health', '/v1/models', '/nowhere'].map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`).join('')
    const { connect } = await import('node:net')
    const socket = connect(server.port, '127.0.0.1')
    socket.write(three)
    let text = ''
    for await (const bytes of socket) {
      text += String(bytes)
      if (text.split('HTTP/1.1 ').length === 4 && text.includes('not_found')) break
    }
    expect(text.match(/HTTP\/1\.1 (\d+)/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'])
  })
})
