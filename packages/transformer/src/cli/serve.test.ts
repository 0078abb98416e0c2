import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { saveModel } from '../checkpoints/node/model.js'
import { chatModel, toolTemplate } from '../lm/testing/chat-model.js'
import { bundledWorker } from '../worker/testing/bundled.js'
import { serveCommand, type ServeCommandContext } from './serve.js'

let folder: string
let worker: NonNullable<ServeCommandContext['worker']>
beforeAll(async () => {
  ;({ worker } = await bundledWorker())
  folder = await mkdtemp(join(tmpdir(), 'serve-command-'))
  const { tokenizer, ...loaded } = await chatModel(toolTemplate)
  await saveModel(folder, loaded)
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer.toJSON()))
})
afterAll(() => rm(folder, { recursive: true }))

function console(context: Partial<ServeCommandContext> = {}) {
  const said = { out: '', err: '' }
  return {
    said,
    context: {
      out: (text: string) => void (said.out += text),
      err: (text: string) => void (said.err += text),
      env: {},
      worker,
      ...context,
    },
  }
}

describe('serve on the command line', () => {
  it('serves until it is told to end', async () => {
    const controller = new AbortController()
    const { said, context } = console({ env: { TESSERAE_API_KEYS: 'one, two' }, signal: controller.signal })
    const running = serveCommand([folder, '--id', 'tiny', '--port', '0', '--context', '64', '--max-tokens', '5'], context)
    while (said.out === '') await new Promise((resolve) => setTimeout(resolve, 10))
    const url = /http:\S+/.exec(said.out)![0]
    const ask = (maxTokens: number, key: string): Promise<Response> =>
      fetch(`${url}/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'tiny', prompt: 'the', max_tokens: maxTokens }),
      })
    expect((await ask(3, 'one')).status).toBe(200)
    expect((await ask(6, 'one')).status).toBe(400)
    expect((await ask(3, 'three')).status).toBe(401)
    controller.abort()
    expect(await running).toBe(0)
    expect(said.err).toMatch(/POST \/v1\/completions 200 \d+\.\d+ s 3 tokens/)
  })

  it('says what is wrong', async () => {
    const { said, context } = console()
    expect(await serveCommand(['--help'], context)).toBe(0)
    expect(said.out).toContain('--shutdown-seconds')
    expect(await serveCommand([], context)).toBe(2)
    expect(said.err).toContain('MODEL is missing')
    expect(await serveCommand([folder, '--prot', '1'], context)).toBe(2)
    expect(said.err).toContain("'--prot'")
    expect(await serveCommand([folder, '--queue', 'long'], context)).toBe(2)
    expect(said.err).toContain('--queue is a number, got "long"')
    expect(await serveCommand([folder, '--port', '-1'], context)).toBe(2)
    expect(said.err).toContain('--port is a whole number from 0 to 65535, got -1')
    expect(await serveCommand([folder, '--cors', 'nonsense', '--port', '0'], context)).toBe(2)
    expect(said.err).toContain('"nonsense" is no origin')
    await writeFile(join(folder, 'broken.jinja'), '{% if messages %}')
    expect(await serveCommand([folder, '--template', join(folder, 'broken.jinja')], context)).toBe(2)
    expect(said.err).toContain('is an {% if %}, a {% for %} or an expression not closed?')
    expect(await serveCommand([join(folder, 'none')], context)).toBe(2)
    expect(said.err).toContain('there is nothing at the path')
  })
})
