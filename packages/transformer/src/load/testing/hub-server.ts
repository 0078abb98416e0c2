/** A server that behaves as the hub does: an API, redirections to a server of large files, what files are in the headers, ranges, refusals. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const commit = 'c0ffee'.padEnd(40, '0')

export interface HubServer {
  readonly url: string
  /** Method and path of each request, and its range. */
  readonly requests: string[]
  /** Authorization headers that came to the server of large files. */
  readonly leaked: string[]
  /** Each is asked first: true when it has answered. */
  readonly before: ((request: IncomingMessage, response: ServerResponse) => boolean)[]
  close(): Promise<void>
}

const listen = (server: Server): Promise<string> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)))

const isLarge = (name: string): boolean => /\.(safetensors|gguf)$/.test(name)

/** @param files of the repository `owner/name`; `owner/old` was its name before; `owner/gated` asks for the token `secret` */
export async function hubServer(files: Readonly<Record<string, Buffer>>): Promise<HubServer> {
  const requests: string[] = []
  const leaked: string[] = []
  const before: ((request: IncomingMessage, response: ServerResponse) => boolean)[] = []
  const note = (request: IncomingMessage): void =>
    void requests.push(`${request.method} ${request.url}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`)
  const send = (request: IncomingMessage, response: ServerResponse, bytes: Buffer): void => {
    const [, first] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
    const from = Number(first ?? 0)
    response.writeHead(first === undefined ? 200 : 206, {
      'content-length': bytes.length - from,
      ...(first === undefined ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    })
    response.end(bytes.subarray(from))
  }
  const large = createServer((request, response) => {
    note(request)
    if (request.headers.authorization !== undefined) leaked.push(request.headers.authorization)
    if (before.some((one) => one(request, response))) return
    send(request, response, files[request.url!.slice(1)]!)
  })
  const largeUrl = await listen(large)
  const hub = createServer((request, response) => {
    note(request)
    if (before.some((one) => one(request, response))) return
    const { pathname } = new URL(request.url!, 'http://x')
    const refuse = (status: number, code: string): void => void response.writeHead(status, { 'x-error-code': code }).end()
    const [, api, repository, rest] = /^(\/api\/models)?\/(owner\/\w+)(?:\/(?:revision|resolve)\/(.*))?$/.exec(pathname) ?? []
    if (repository === 'owner/old') return void response.writeHead(307, { location: request.url!.replace('owner/old', 'owner/name') }).end()
    if (repository === 'owner/gated' && request.headers.authorization !== 'Bearer secret') return refuse(401, 'GatedRepo')
    if (repository !== 'owner/name' && repository !== 'owner/gated') return refuse(401, 'RepoNotFound')
    if (api !== undefined) {
      if (rest !== 'main' && rest !== commit) return refuse(404, 'RevisionNotFound')
      response.setHeader('content-type', 'application/json')
      return void response.end(JSON.stringify({ sha: commit, siblings: Object.keys(files).map((rfilename) => ({ rfilename })) }))
    }
    const name = rest!.slice(commit.length + 1)
    const bytes = files[name]
    if (bytes === undefined) return refuse(404, 'EntryNotFound')
    if (isLarge(name)) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      response.writeHead(302, {
        location: `${largeUrl}/${name}`,
        'x-repo-commit': commit,
        'x-linked-etag': `"${sha256}"`,
        'x-linked-size': bytes.length,
      })
      return void response.end()
    }
    response.setHeader('etag', `"${createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')}"`)
    response.setHeader('x-repo-commit', commit)
    send(request, response, bytes)
  })
  const url = await listen(hub)
  return {
    url,
    requests,
    leaked,
    before,
    close: async () => {
      for (const server of [hub, large]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
}
