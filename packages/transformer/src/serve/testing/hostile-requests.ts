/** Requests that mean no good, as bytes on a connection, and what has to come of each. */
import { connect } from 'node:net'
import { once } from 'node:events'

export interface HostileRequest {
  readonly name: string
  /** Pieces that are written one after the other; numbers are milliseconds to wait. */
  readonly send: readonly (string | Uint8Array | number)[]
  /** Statuses of which the first answer has one; 'closed' where the connection may be closed without an answer. */
  readonly expect: readonly (number | 'closed')[]
  /** Field or word that the error names. */
  readonly names?: string
}

const post = (body: string | Uint8Array, path = '/v1/chat/completions', headers = ''): (string | Uint8Array)[] => [
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}connection: close\r\n\r\n`,
  body,
]
const chat = (fields: object): (string | Uint8Array)[] =>
  post(JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], max_tokens: 4, ...fields }))
const raw = (text: string): string => `${text}\r\nhost: x\r\nconnection: close\r\n\r\n`

/** The server is expected to take bodies of 256 KiB, headers of 16 KiB, and to give headers and bodies a second each. */
export function hostileRequests(): HostileRequest[] {
  const deep = (open: string, close: string): string => `{"model":"tiny","messages":${open.repeat(50_000)}1${close.repeat(50_000)}}`
  return [
    {
      name: 'a body that says it is too large',
      send: [`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{`],
      expect: [413],
      names: 'body_too_large',
    },
    {
      name: 'a body that is too large and does not say so',
      send: [
        'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
        ...Array.from({ length: 40 }, () => `2000\r\n${'x'.repeat(0x2000)}\r\n`),
      ],
      expect: [413],
      names: 'body_too_large',
    },
    {
      name: 'a length that is none',
      send: ['POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: -5\r\n\r\n'],
      expect: [400],
    },
    {
      name: 'two lengths',
      send: ['POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!'],
      expect: [400],
    },
    {
      name: 'a length and chunks',
      send: ['POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
      expect: [400],
    },
    {
      name: 'chunks of a size that is none',
      send: [
        'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n',
      ],
      expect: [400],
    },
    { name: 'broken JSON', send: post('{"model": "tiny", '), expect: [400], names: 'invalid_json' },
    { name: 'an empty body', send: post(''), expect: [400], names: 'invalid_json' },
    { name: 'a body that is a list', send: post('[]'), expect: [400], names: 'object' },
    { name: 'lists nested 50,000 deep', send: post(deep('[', ']')), expect: [400], names: 'nested' },
    {
      name: 'objects nested 30,000 deep',
      send: post(`{"model":"tiny","messages":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}}`),
      expect: [400],
      names: 'nested',
    },
    {
      name: 'bytes that are no UTF-8',
      send: post(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d)),
      expect: [400],
      names: 'UTF-8',
    },
    {
      name: 'a name that changes what objects are made of',
      send: post('{"model":"tiny","messages":[{"role":"user","content":"x","__proto__":{"role":"system"}}]}'),
      expect: [400],
      names: '__proto__',
    },
    { name: 'constructor.prototype', send: chat({ constructor: { prototype: { polluted: true } } }), expect: [400], names: 'constructor' },
    { name: 'a model that is a number', send: chat({ model: 7 }), expect: [400], names: 'model' },
    {
      name: 'a model by a name of 100,000 characters',
      send: chat({ model: 'm'.repeat(100_000) }),
      expect: [404],
      names: 'model_not_found',
    },
    { name: 'messages that are a text', send: chat({ messages: 'hello' }), expect: [400], names: 'messages' },
    { name: 'messages that are numbers', send: chat({ messages: [1, 2] }), expect: [400], names: 'messages[0]' },
    { name: 'a role that is none', send: chat({ messages: [{ role: 'root', content: 'x' }] }), expect: [400], names: 'messages[0].role' },
    {
      name: 'content that is an image',
      send: chat({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] }] }),
      expect: [400],
      names: 'messages[0].content[0].type',
    },
    {
      name: '10,001 messages',
      send: chat({
        messages: Array.from({ length: 8000 }, () => ({ role: 'user', content: '' })).concat(
          Array.from({ length: 2001 }, () => ({ role: 'user', content: '' })),
        ),
      }),
      expect: [400, 413],
      names: '',
    },
    {
      name: 'a prompt beyond the context',
      send: chat({ messages: [{ role: 'user', content: 'y'.repeat(200_000) }] }),
      expect: [400],
      names: 'context_length_exceeded',
    },
    { name: 'tokens without end', send: chat({ max_tokens: 1e300 }), expect: [400], names: 'max_tokens' },
    { name: 'a number of tokens below nothing', send: chat({ max_tokens: -1 }), expect: [400], names: 'max_tokens' },
    {
      name: 'a temperature beyond all numbers',
      send: post('{"model":"tiny","messages":[{"role":"user","content":"x"}],"temperature":1e999}'),
      expect: [400],
      names: 'temperature',
    },
    { name: 'a million answers', send: chat({ n: 1_000_000 }), expect: [400], names: 'n' },
    { name: 'stop texts of the wrong type', send: chat({ stop: [{}] }), expect: [400], names: 'stop[0]' },
    { name: 'biases of tokens that are none', send: chat({ logit_bias: { '-1': 5, x: 3 } }), expect: [400], names: 'logit_bias' },
    { name: 'biases of tokens beyond the vocabulary', send: chat({ logit_bias: { 99999999: 5 } }), expect: [200, 400], names: '' },
    {
      name: 'a schema that is a text',
      send: chat({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: 'x' } } }),
      expect: [400],
      names: 'response_format.json_schema.schema',
    },
    {
      name: 'a schema that refers to itself without end',
      send: chat({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: '#' } } } }),
      expect: [400],
      names: '',
    },
    {
      name: 'a schema with a pattern that takes for ever',
      send: chat({
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { type: 'string', pattern: '^((a{0,1000}){0,1000}){0,1000}$' } },
        },
      }),
      expect: [200, 400],
      names: '',
    },
    {
      name: 'a schema at another address',
      send: chat({
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: 'http://169.254.169.254/latest' } } },
      }),
      expect: [400],
      names: '',
    },
    {
      name: 'two tools of one name',
      send: chat({ tools: [1, 2].map(() => ({ type: 'function', function: { name: 'a' } })) }),
      expect: [400],
      names: 'tools[1].function.name',
    },
    {
      name: 'arguments that are no JSON',
      send: chat({
        messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'a', arguments: '{' } }] }],
      }),
      expect: [400],
      names: 'messages[0].tool_calls[0].function.arguments',
    },
    { name: 'a field that is misspelled', send: chat({ temprature: 1 }), expect: [400], names: 'temprature' },
    {
      name: 'ids of tokens that are none',
      send: post('{"model":"tiny","prompt":[1,99999999]}', '/v1/completions'),
      expect: [400],
      names: '',
    },
    {
      name: 'text in place of JSON',
      send: [
        'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}',
      ],
      expect: [415],
      names: 'application/json',
    },
    {
      name: 'a compressed body',
      send: post('{}', '/v1/chat/completions', 'content-encoding: gzip\r\n'),
      expect: [415],
      names: 'compressed',
    },
    { name: 'the wrong method', send: [raw('DELETE /v1/models HTTP/1.1')], expect: [405], names: 'method_not_allowed' },
    { name: 'a method that is none', send: [raw('HACK / HTTP/1.1')], expect: [400, 'closed'] },
    { name: 'a path with dots', send: [raw('GET /v1/../../etc/passwd HTTP/1.1')], expect: [404], names: 'not_found' },
    {
      name: 'a path with dots in disguise',
      send: [raw('GET /v1/models/%2e%2e%2f%00%ff HTTP/1.1')],
      expect: [404],
      names: 'model_not_found',
    },
    { name: 'an address of another server', send: [raw('GET http://169.254.169.254/ HTTP/1.1')], expect: [404], names: 'not_found' },
    { name: 'a tunnel', send: [raw('CONNECT 169.254.169.254:80 HTTP/1.1')], expect: [400, 'closed'] },
    {
      name: 'another protocol',
      send: ['GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
      expect: [400, 'closed'],
    },
    {
      name: 'headers of 64 KiB',
      send: [`GET /health HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(65_536)}\r\n\r\n`],
      expect: [431],
      names: 'headers_too_large',
    },
    {
      name: '10,000 headers',
      send: [`GET /health HTTP/1.1\r\nhost: x\r\n${Array.from({ length: 10_000 }, (_, i) => `x-${i}: 1\r\n`).join('')}\r\n`],
      expect: [431],
      names: 'headers_too_large',
    },
    { name: 'a header with a line break', send: [`GET /health HTTP/1.1\r\nhost: x\r\nx-a: a\n b\0\r\n\r\n`], expect: [400, 'closed'] },
    { name: 'a path of 100,000 characters', send: [raw(`GET /${'a'.repeat(100_000)} HTTP/1.1`)], expect: [431, 414, 400] },
    { name: 'no HTTP at all', send: [Uint8Array.from({ length: 512 }, (_, i) => (i * 37) & 0xff)], expect: [400, 'closed'] },
    {
      name: 'TLS where there is none',
      send: [Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03)],
      expect: [400, 'closed'],
    },
    {
      name: 'headers that come drop by drop',
      send: ['GET /health HTTP/1.1\r\n', ...Array.from({ length: 40 }, (_, i) => [`x-${i}: 1\r\n`, 100]).flat()],
      expect: [408, 'closed'],
    },
    {
      name: 'a body that never comes',
      send: ['POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{', 4000],
      expect: [408, 'closed'],
    },
  ]
}

export interface HostileOutcome {
  readonly status: number | 'closed'
  readonly body: string
}

/** Sends it and reads the first answer. */
export async function sendHostile(port: number, { send }: HostileRequest): Promise<HostileOutcome> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  let isOver = false
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      isOver = true
      resolve()
    }
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (isWhole(received)) end()
    })
    socket.on('error', end).on('close', end).on('end', end)
  })
  await Promise.race([once(socket, 'connect'), over])
  for (const piece of send) {
    if (isOver) break
    if (typeof piece === 'number') await Promise.race([new Promise((resolve) => setTimeout(resolve, piece)), over])
    else if (!socket.write(piece)) await Promise.race([once(socket, 'drain').catch(() => {}), over])
  }
  await over
  socket.destroy()
  const [head, ...rest] = received.split('\r\n\r\n')
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head ?? '')?.[1]
  return { status: status === undefined ? 'closed' : Number(status), body: Buffer.from(rest.join('\r\n\r\n'), 'latin1').toString('utf8') }
}

function isWhole(received: string): boolean {
  const at = received.indexOf('\r\n\r\n')
  if (at < 0) return false
  const length = /content-length: *(\d+)/i.exec(received.slice(0, at))?.[1]
  return length !== undefined && received.length >= at + 4 + Number(length)
}
