import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

/** By the file's ending; what is not here goes out as plain bytes, which browsers refuse as style sheets, modules and pictures of SVG. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
}

export interface StaticServer extends AsyncDisposable {
  /** Such as 'http://localhost:40123', without a slash at the end. */
  readonly origin: string
  /** Paths that were asked for and are not there. */
  readonly missing: readonly string[]
}

export interface StaticOptions {
  /** Folders by URL prefix; the longest prefix that fits is taken. */
  readonly folders: Readonly<Record<string, string>>
  /** Send the two headers that let a page share memory between threads. */
  readonly isolated: boolean
}

/** Serves files of folders on a free port of this machine, as a plain web server would. */
export async function serveFolders({ folders, isolated }: StaticOptions): Promise<StaticServer> {
  const missing: string[] = []
  const prefixes = Object.keys(folders).toSorted((a, b) => b.length - a.length)
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    const prefix = prefixes.find((candidate) => path.startsWith(candidate))
    const file =
      prefix === undefined
        ? undefined
        : join(folders[prefix]!, path.endsWith('/') ? `${path.slice(prefix.length)}index.html` : path.slice(prefix.length))
    const headers = {
      'content-type': types[extname(file ?? '').toLowerCase()] ?? 'application/octet-stream',
      ...(isolated ? { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' } : {}),
    }
    const send = async (): Promise<void> => {
      try {
        const bytes = await readFile(file ?? '')
        response.writeHead(200, headers).end(bytes)
      } catch {
        if (path !== '/favicon.ico') missing.push(path)
        response.writeHead(404).end()
      }
    }
    void send()
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    missing,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
