import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { saveModel } from '../checkpoints/node/model.js'
import { chatModel, toolTemplate } from '../lm/testing/chat-model.js'
import { bench } from './bench.js'
import { embed } from './embed.js'
import { generate } from './generate.js'
import { inspect } from './inspect.js'
import { fail } from './output.js'
import { quantize } from './quantize.js'

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tesserae-cli-'))
  await saveModel(folder, await chatModel(toolTemplate))
  writeFileSync(join(folder, 'README.md'), '---\nlicense: mit\n---\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(command: (args: readonly string[]) => Promise<number>, ...args: readonly string[]) {
  const [out, err] = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
  out.mockReturnValue(true)
  err.mockReturnValue(true)
  try {
    const code = await command(args).catch(fail)
    const textOf = (spy: typeof out): string => spy.mock.calls.map(([text]) => String(text)).join('')
    return { code, out: textOf(out), err: textOf(err) }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

it('inspects a folder and a GGUF file', async () => {
  const { out, code } = await run(inspect, folder, '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({
    licence: 'mit',
    context: 1024,
    toolFormat: 'hermes',
    chatTemplate: toolTemplate,
    types: { F32: {} },
  })
  expect((await run(inspect, folder)).out).toMatch(/^licence +mit$/m)
  const gguf = fileURLToPath(new URL('../checkpoints/__fixtures__/llama.gguf', import.meta.url))
  expect((await run(inspect, gguf, '--tensors')).out).toMatch(/^token_embd\.weight +F32 \[/m)
})

it('generates, as JSON too', async () => {
  const { out, err, code } = await run(generate, folder, 'the whale', '--device', 'cpu', '--max-tokens', '5')
  expect([code, out.endsWith('\n')]).toEqual([0, true])
  expect(err).toMatch(/^length: \d+ \+ 5 tokens, /m)
  const schema = join(folder, 'schema.json')
  writeFileSync(schema, '{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}')
  const said = await run(
    generate,
    folder,
    'the',
    '--chat',
    '--system',
    'x',
    '--json',
    schema,
    '--device',
    'cpu',
    '--temperature',
    '1',
    '--seed',
    '3',
  )
  expect(JSON.parse(said.out)).toEqual({ a: expect.any(Boolean) })
})

it('searches by contrast, in place of sampling', async () => {
  const ask = (...more: readonly string[]) =>
    run(generate, folder, 'the', '--device', 'cpu', '--max-tokens', '8', '--penalty-alpha', ...more)
  const { out, code } = await ask('0.6', '--top-k', '3')
  expect([code, (await ask('0', '--top-k', '1')).code]).toEqual([0, 0])
  expect(out.length).toBeGreaterThan(1)
  const refused = async (...more: readonly string[]) => {
    const { err, code: failed } = await ask(...more)
    expect(failed).toBe(2)
    return err
  }
  expect(await refused('2')).toMatch('--penalty-alpha is a number from 0 to 1, got 2')
  expect(await refused('0.6', '--temperature', '1')).toMatch('leave --temperature out')
  expect(await refused('0.6', '--top-k', '40')).toMatch('topK must be an integer from 1 to 8, the places')
})

it('says what is wrong with a seed and a schema, as with other options', async () => {
  const schema = join(folder, 'wrong.json')
  const ask = (...more: readonly string[]) => run(generate, folder, 'the', '--device', 'cpu', '--max-tokens', '2', ...more)
  expect(await ask('--seed', '1.5')).toMatchObject({ code: 2, err: expect.stringContaining('got 1.5') })
  for (const [text, what] of [
    ['{', `--json: ${schema}: not JSON`],
    ['[]', `--json: ${schema}: expected a JSON object`],
    ['{"type":"frog"}', 'names a type of JSON, got "frog"'],
  ] as const) {
    writeFileSync(schema, text)
    expect(await ask('--json', schema)).toMatchObject({ code: 2, err: expect.stringContaining(what) })
  }
})

it('takes a template of its own', async () => {
  const template = join(folder, 'own.jinja')
  writeFileSync(template, '{% for m in messages %}{{ m.content }}{% endfor %} sails')
  const { err } = await run(generate, folder, 'the ship', '--chat', '--template', template, '--device', 'cpu', '--max-tokens', '1')
  const prompt = /^length: (\d+) \+ 1/m.exec(err)![1]
  const own = await run(generate, folder, 'the ship', '--chat', '--device', 'cpu', '--max-tokens', '1')
  expect(Number(prompt)).toBeLessThan(Number(/^length: (\d+) \+ 1/m.exec(own.err)![1]))
})

it('measures', async () => {
  const { out } = await run(bench, folder, '--device', 'cpu', '--prompt', '20', '--max-tokens', '4', '--runs', '1')
  expect(out).toMatch(/^reads \d+\.\d tokens a second \(20\)\nwrites \d+\.\d tokens a second \(4\)$/m)
})

it('says what is wrong, and how it is meant', async () => {
  expect(await run(generate, '--help')).toMatchObject({
    code: 0,
    out: expect.stringContaining('Usage: npx @tesserae/transformer generate'),
  })
  expect(await run(generate)).toMatchObject({ code: 2, err: expect.stringMatching(/^MODEL is missing\nUsage: .*\n--help tells more/) })
  expect(await run(generate, folder, 'two', 'words')).toMatchObject({ code: 2, err: expect.stringContaining('"words" is too much') })
  expect(await run(generate, folder, 'x', '--speed', '3')).toMatchObject({ code: 2, err: expect.stringContaining("'--speed'") })
  expect(await run(generate, folder, 'x', '--max-tokens', 'many')).toMatchObject({ code: 2, err: '--max-tokens is a number, got "many"\n' })
  const wrong: readonly (readonly [(args: readonly string[]) => Promise<number>, readonly string[], string])[] = [
    [generate, [folder, 'x', '--max-tokens', '-3'], '--max-tokens is a whole number from 0 on, got -3'],
    [generate, [folder, 'x', '--top-p', '3'], '--top-p must be a number from 0 to 1'],
    [generate, [folder, 'x', '--device', 'tpu'], "no device is called 'tpu'"],
    [generate, [folder, 'x', '--system', 'y'], 'give --chat too'],
    [generate, [folder, 'x', '--template', join(folder, 'none')], '--template: there is nothing at'],
    [generate, [folder, 'x', '--json', folder], '--json: a file is wanted, and there is a folder'],
    [bench, [folder, '--runs', '0'], '--runs is a whole number from 1 on, got 0'],
    [bench, [folder, '--max-tokens', '1024'], 'leaves no room for a prompt'],
    [quantize, ['a.gguf', './a.gguf'], 'name another file'],
    [quantize, ['a.gguf'], 'TO.gguf is missing'],
    [embed, [folder, 'x'], 'model_type'],
  ]
  for (const [command, args, message] of wrong) {
    const { code, err } = await run(command, ...args)
    expect(err).toContain(message)
    if (command !== embed) expect(code).toBe(2)
  }
  writeFileSync(join(folder, 'page.gguf'), '<html>')
  expect(await run(inspect, join(folder, 'page.gguf'))).toMatchObject({
    code: 1,
    err: expect.stringContaining('do not begin as GGUF does'),
  })
  expect(await run(inspect, 'a/b')).toMatchObject({ code: 2, err: expect.stringContaining('did you mean hf:a/b') })
})
