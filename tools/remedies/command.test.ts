// `npm run remedies` as people run it, with a server behind HTTP in the place of a model, and with weights on this machine.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abstainingSchema } from '@tesserae/rag'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Result } from './ask.js'
import { exportedModel } from './model-file.js'
import { drawExam } from './questions.js'
import { extractiveSettings } from './settings.js'
import { rowsLeftOut, rowsPrinted, runRemedies, type CommandOutcome, type PrintedRow } from './testing/command.js'
import { readingServer, type ChatRequest, type ReadingServer } from './testing/reading-server.js'
import { townSquad } from './testing/towns.js'

/** As the issue names them. */
const modelRows = [
  'closed-book',
  'closed-book, temperature 0',
  'with retrieval',
  'with a search tool',
  'with a schema that allows abstention',
]
const extractiveRows = extractiveSettings.map(({ name }) => name)
/** With this seed, 12 questions of the 15 whose paragraph is indexed, and the 3 whose paragraph is not. */
const exam = drawExam(townSquad, { answerable: 12, unanswerable: 6, seed: 1 })
/** A quarter of the questions can be answered by heart. */
const memory = new Map(exam.answerable.slice(0, 3).map(({ text, answers }) => [text, answers[0]!]))

let folder: string
let data: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tesserae-remedies-'))
  data = join(folder, 'towns.json')
  writeFileSync(data, JSON.stringify(townSquad))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ask = (args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CommandOutcome> =>
  runRemedies(['--data', data, '--questions', '12', ...args], environment)

/** Correct, wrong, abstained and rightly abstained in per cent. */
const shares = ({ correct, wrong, abstained, rightlyAbstained }: PrintedRow): (number | undefined)[] =>
  [correct, wrong, abstained, rightlyAbstained].map((share) => share?.mean)

describe('without a model', () => {
  it('runs the extractive rows and says which it left out', async () => {
    const { status, stdout } = await ask([])
    expect(rowsPrinted(stdout).map(({ name }) => name)).toEqual(extractiveRows)
    expect(rowsLeftOut(stdout)).toEqual(modelRows)
    expect(status).toBe(0)
  })

  it('says so and ends well where there are no questions, unless they were named', async () => {
    const empty = await runRemedies([], { TESSERAE_DATA: folder })
    expect([empty.status, empty.stdout]).toEqual([0, expect.stringMatching(/^Skipped: there are no questions at .*--data/)])
    const named = await runRemedies(['--data', join(folder, 'nowhere.json')])
    expect([named.status, named.stderr]).toEqual([2, expect.stringMatching(/^remedies: --data: there is no file .*nowhere\.json/)])
  })
})

describe('with a model behind an endpoint', () => {
  let server: ReadingServer
  let outcome: CommandOutcome
  let printed: ReadonlyMap<string, PrintedRow>
  let asked: ReadonlyMap<string, readonly ChatRequest[]>
  beforeAll(async () => {
    server = await readingServer({ memory, support: 0.6 })
    const args = ['--endpoint', server.url, '--model-id', 'reader', '--key-variable', 'READER_KEY', '--json', join(folder, 'results.json')]
    outcome = await ask(args, { READER_KEY: 'secret' })
    printed = new Map(rowsPrinted(outcome.stdout).map((row) => [row.name, row]))
    // Rows follow each other: 12 questions by heart, 12 cold, 15 with sources, 15 in two steps each, 15 by schema.
    const sizes = [12, 12, 15, 30, 15]
    const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b, 0))
    asked = new Map(modelRows.map((name, i) => [name, server.requests.slice(ends[i]! - sizes[i]!, ends[i]!)]))
  })
  afterAll(() => server.close())

  it('runs every row and leaves none out', () => {
    expect(outcome.status, outcome.stderr).toBe(0)
    expect([...printed.keys()]).toEqual([...extractiveRows, ...modelRows])
    expect(rowsLeftOut(outcome.stdout)).toEqual([])
    expect(server.requests).toHaveLength(84)
    const same = { path: '/v1/chat/completions', authorization: 'Bearer secret', model: 'reader', max_tokens: 400 }
    for (const request of server.requests) expect(request).toMatchObject(same)
    const { skipped, results } = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as { skipped: string[]; results: Result[] }
    expect([skipped, results.map(({ name }) => name)]).toEqual([[], [...printed.keys()]])
    for (const { name, correct, failed } of results) {
      expect([Math.round(100 * correct.low), Math.round(100 * correct.high), failed]).toEqual([
        printed.get(name)!.correct.low,
        printed.get(name)!.correct.high,
        0,
      ])
    }
  })

  it('closed-book: invents what it does not know, and at temperature 0 admits it', () => {
    expect(shares(printed.get('closed-book')!)).toEqual([25, 75, 0, undefined])
    expect(shares(printed.get('closed-book, temperature 0')!)).toEqual([25, 0, 75, undefined])
    const text = (request: ChatRequest): string => JSON.stringify(request.messages)
    for (const [name, temperature] of [
      ['closed-book', 1],
      ['closed-book, temperature 0', 0],
    ] as const)
      for (const request of asked.get(name)!) {
        expect(request).toMatchObject({ temperature })
        expect([request.tools, request.response_format, /Sources:/.test(text(request))]).toEqual([undefined, undefined, false])
      }
    expect(asked.get('closed-book')!.map((request) => exam.answerable.findIndex(({ text: one }) => text(request).includes(one)))).toEqual(
      exam.answerable.map((_, i) => i),
    )
  })

  it('with retrieval: answers from the sources in the prompt, and abstains where they do not say', () => {
    const row = printed.get('with retrieval')!
    expect(shares(row)).toEqual([100, 0, 0, 100])
    expect(row.citations).toEqual({ verbatim: 12 })
    for (const { temperature, tools, messages } of asked.get('with retrieval')!) {
      expect([temperature, tools]).toEqual([0, undefined])
      expect(messages.at(-1)!.content).toMatch(/^Sources:\n\n\[1\] /)
    }
  })

  it('with a search tool: searches first, and reads what the tool returned', () => {
    const row = printed.get('with a search tool')!
    expect(shares(row)).toEqual([100, 0, 0, 100])
    expect(row.citations).toEqual({ verbatim: 12 })
    asked.get('with a search tool')!.forEach(({ temperature, tools, messages }, i) => {
      expect([temperature, tools?.map((tool) => tool.function.name)]).toEqual([0, ['search']])
      const roles = messages.map(({ role }) => role)
      expect(roles).toEqual(i % 2 === 0 ? ['system', 'user'] : ['system', 'user', 'assistant', 'tool'])
      expect(messages[1]!.content).not.toContain('Sources:')
      if (i % 2 === 1) expect(messages.at(-1)!.content).toMatch(/^\[1\] /)
    })
  })

  it('with a schema: answers and abstains as JSON', () => {
    const row = printed.get('with a schema that allows abstention')!
    expect(shares(row)).toEqual([100, 0, 0, 100])
    expect(row.citations).toEqual({ verbatim: 12 })
    for (const { temperature, response_format } of asked.get('with a schema that allows abstention')!) {
      expect(temperature).toBe(0)
      expect(response_format).toMatchObject({ type: 'json_schema', json_schema: { schema: abstainingSchema, strict: true } })
    }
  })
})

describe('a model that fails', () => {
  it('costs its own rows only: one without tools', async () => {
    const server = await readingServer({ memory, support: 0.6, withoutTools: true })
    const { status, stdout } = await ask(['--endpoint', server.url]).finally(() => server.close())
    const rows = new Map(rowsPrinted(stdout).map((row) => [row.name, row]))
    expect([...rows.keys()]).toEqual([...extractiveRows, ...modelRows])
    expect(rows.get('with a search tool')).toMatchObject({ failed: 5, correct: { mean: 0 } })
    expect(rows.get('with a schema that allows abstention')).toMatchObject({ failed: 0, correct: { mean: 100 } })
    expect(stdout).toMatch(
      /^with a search tool: 5 calls failed, 5 questions were asked. The first: .*replied 400: .*this model has no tools/m,
    )
    expect(status).toBe(1)
  })

  it('is named where nobody listens', async () => {
    const server = await readingServer({ memory, support: 0.6 })
    await server.close()
    const { status, stdout } = await ask(['--endpoint', server.url])
    expect(rowsPrinted(stdout).filter(({ failed }) => failed === 5)).toHaveLength(5)
    expect(stdout).toContain(`${server.url}/chat/completions cannot be reached: ECONNREFUSED. Is the server running`)
    expect(status).toBe(1)
  })
})

describe('--model', () => {
  const shared = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../shared/data')
  const present = ['stories260K.bin', 'tok512.bin'].every((file) => existsSync(join(shared, file)))

  it('takes a module, here one that loads weights from this machine', async ({ skip }) => {
    skip(!present, `needs stories260K.bin and tok512.bin in ${shared}, which is not part of the repository`)
    const module = join(import.meta.dirname, 'testing/stories-model.ts')
    const { status, stdout, stderr } = await ask(['--model', module, '--questions', '3', '--budget', '60'])
    expect(stdout, stderr).toContain('Model: tesserae/stories260K;')
    const rows = new Map(rowsPrinted(stdout).map((row) => [row.name, row]))
    // It goes on with a story, which is no answer to any of the questions.
    for (const name of modelRows.slice(0, 4)) expect([name, ...shares(rows.get(name)!).slice(0, 3)]).toEqual([name, 0, 100, 0])
    // With the schema's instructions the prompt is longer than all that the model can read.
    expect(rows.get('with a schema that allows abstention')).toMatchObject({ failed: 5, wrong: { mean: 0 } })
    expect(stdout).toMatch(/^with a schema that allows abstention: .*a prompt of \d+ tokens takes \d+ positions; this model has 512/m)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^with a search tool: .*tools/m) // what the model cannot do is said
  })

  it.each([
    ['weights.gguf', '', /expected a module .*loadModel/],
    ['weights.bin', '', /expected a module .*loadModel/],
    ['weights.safetensors', '', /expected a module .*loadModel/],
    ['empty.mjs', 'export const answer = 42', /expected an object with doStream\(\) as default or 'model'; the module exports answer/],
    ['broken.mjs', 'throw new Error("no key")', /the module failed as it was loaded: no key/],
    ['absent.mjs', undefined, /there is no file .*absent\.mjs/],
  ])('refuses %s with what was expected', async (name, content, message) => {
    const file = join(folder, name)
    if (content !== undefined) writeFileSync(file, content)
    await expect(exportedModel(file, { option: '--model', name: 'model', method: 'doStream' })).rejects.toThrow(message)
  })
})
