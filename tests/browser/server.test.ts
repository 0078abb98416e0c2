import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { serveFolders } from './server.js'

const folder = mkdtempSync(join(tmpdir(), 'tesserae-served-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('serveFolders', () => {
  it.for([
    ['page.html', 'text/html; charset=utf-8'],
    ['style.css', 'text/css; charset=utf-8'],
    ['code.js', 'text/javascript; charset=utf-8'],
    ['code.mjs', 'text/javascript; charset=utf-8'],
    ['facts.json', 'application/json'],
    ['runtime.wasm', 'application/wasm'],
    ['mark.SVG', 'image/svg+xml'],
    ['letters.woff2', 'font/woff2'],
    ['model.safetensors', 'application/octet-stream'],
  ] as const)('sends %s as %s', async ([name, type]) => {
    writeFileSync(join(folder, name), 'x')
    await using server = await serveFolders({ folders: { '/': folder }, isolated: false })
    const response = await fetch(`${server.origin}/${name}`)
    expect(response.headers.get('content-type')).toBe(type)
    expect(await response.text()).toBe('x')
  })

  it('says what is missing, and sends the headers of isolation when asked to', async () => {
    await using server = await serveFolders({ folders: { '/': folder }, isolated: true })
    expect((await fetch(`${server.origin}/nothing.css`)).status).toBe(404)
    expect(server.missing).toEqual(['/nothing.css'])
    writeFileSync(join(folder, 'index.html'), 'x')
    const { headers } = await fetch(`${server.origin}/`)
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin')
    expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp')
  })
})
