import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conversations } from './chat.js'
import { readOptions, type Options } from './options.js'
import { road } from './road.js'
import { preferred, seaWords } from './rule.js'
import { runRoad, type RoadResult } from './runner.js'
import { stageNames } from './stage.js'
import type { Terminal } from './terminal.js'

const out = mkdtempSync(join(tmpdir(), 'tesserae-quickstart-'))
afterAll(() => rmSync(out, { recursive: true, force: true }))

/** A run from the command line's options, and what it printed. */
async function run(args: readonly string[], { watch }: { readonly watch?: (printed: string, abort: () => void) => void } = {}) {
  const options = readOptions(['--small', '--seconds', '1', '--out', out, ...args])
  if ('help' in options) throw new Error(options.help)
  const lines: string[] = []
  const controller = new AbortController()
  const print = (text: string): void => {
    lines.push(text)
    watch?.(text, () => controller.abort())
  }
  const ui: Terminal = { columns: 80, heading: print, line: (text = '') => print(text), status: print, endStatus() {}, write: print }
  const results = await runRoad(road, options, ui, controller.signal).catch((error: Error) => error)
  return { results, text: lines.join('\n') }
}
const resultsOf = (results: RoadResult[] | Error): RoadResult[] => {
  if (results instanceof Error) throw results
  return results
}
/** Files of half a result. */
const leftovers = (): string[] => readdirSync(out).filter((name) => name.includes('.tmp'))
const keyOf = (stage: string): string => JSON.parse(readFileSync(join(out, stage, 'stage.json'), 'utf8')).key as string

describe('the whole road', () => {
  let first: Awaited<ReturnType<typeof run>>
  beforeAll(async () => {
    first = await run([])
  }, 240_000)

  it('runs every stage and prints figures before and after, and where the code is', () => {
    const results = resultsOf(first.results)
    expect(results.map(({ name, reused }) => [name, reused])).toEqual(road.map(({ name }) => [name, false]))
    const figures = Object.fromEntries(results.map(({ name, report }) => [name, report.figures]))
    expect(figures['pretrain']!['lossAfter']).toBeLessThan(figures['pretrain']!['lossBefore']!)
    expect(figures['sft']!['lossAfter']).toBeLessThan(figures['sft']!['lossBefore']!)
    expect(figures['reward']!['heldOut']).toBeGreaterThan(0)
    for (const { name, report } of results)
      for (const [figure, value] of Object.entries(report.figures))
        expect([name, figure, Number.isFinite(value)]).toEqual([name, figure, true])
    for (const pattern of [
      /validation loss \d\.\d+ → \d\.\d+/,
      /held-out ones \d\.\d+ → \d\.\d+/,
      /of \d+ pairs of held-out prompts right/,
      /mean reward .* → .* KL/,
      /README\.md:\d+, checked: verbatim/,
    ])
      expect(first.text).toMatch(pattern)
    for (const { code } of road) {
      expect(first.text).toContain(`code: ${code}`)
      expect(existsSync(join(import.meta.dirname, '../../..', code))).toBe(true)
    }
    expect(leftovers()).toEqual([])
  })

  it('reuses everything when nothing changed, and only what does not depend on a change otherwise', async () => {
    const again = resultsOf((await run([])).results)
    expect(again.every(({ reused }) => reused)).toBe(true)
    expect(again.map(({ report }) => report.figures)).toEqual(resultsOf(first.results).map(({ report }) => report.figures))
    const asked = resultsOf((await run(['--ask', 'Who is Ahab?'])).results)
    expect(asked.filter(({ reused }) => !reused).map(({ name }) => name)).toEqual(['generate'])
    const one = await run(['--stage', 'sft'])
    expect(resultsOf(one.results).map(({ name, reused }) => [name, reused])).toEqual([
      ['tokenizer', true],
      ['pretrain', true],
      ['sft', true],
    ])
    expect(one.text).toContain('reused: nothing it depends on has changed')
  }, 60_000)

  it('leaves nothing half-written when a stage is aborted or fails, and the old result in its place', async () => {
    const before = keyOf('rank')
    const { results } = await run(['--seed', '1', '--stage', 'rank', '--rank', '--annotator', 'ada'], {
      watch: (printed, abort) => printed.includes('answers to rank') && abort(),
    })
    expect(results).toMatchObject({ name: 'AbortError' })
    expect(leftovers()).toEqual([])
    expect(keyOf('rank')).toBe(before)
  }, 60_000)

  it('goes on with pre-training where it was interrupted, and only with --resume', async () => {
    const stop = await run(['--seed', '2', '--stage', 'pretrain'], { watch: (printed, abort) => /step 3\//.test(printed) && abort() })
    expect(stop.results).toMatchObject({ name: 'AbortError' })
    expect(stop.text).toMatch(/interrupted at step [34] of/)
    expect(leftovers()).toEqual([])
    const resumed = await run(['--seed', '2', '--stage', 'pretrain', '--resume'])
    expect(resumed.text).toMatch(/goes on at step [34] of/)
    expect(resultsOf(resumed.results).at(-1)).toMatchObject({ name: 'pretrain', reused: false })
    expect(existsSync(join(out, 'pretrain.interrupted'))).toBe(false)
  }, 60_000)

  it.each(['sft', 'reward', 'ppo'])(
    'goes on with %s where it was interrupted',
    async (stage) => {
      // Another seed each, so that nothing is reused but what a stage before it made.
      const args = ['--stage', stage, '--seed', '3']
      const title = road.find(({ name }) => name === stage)!.title
      let there = false
      const stop = await run(args, {
        watch(printed, abort) {
          there ||= printed.includes(title)
          if (there && /step 1\//.test(printed)) abort()
        },
      })
      expect(stop.results).toMatchObject({ name: 'AbortError' })
      expect(stop.text).toMatch(/interrupted at step [12]; the checkpoint/)
      expect(leftovers()).toEqual([])
      const resumed = await run([...args, '--resume'])
      expect(resumed.text).toMatch(/goes on at step [12]/)
      expect(resultsOf(resumed.results).at(-1)).toMatchObject({ name: stage, reused: false })
    },
    60_000,
  )

  it('keeps what a person ranked over an interruption, and learns from it', async () => {
    const rank = (post: (url: URL, abort: () => void) => Promise<void>) => {
      let posted = false
      return run(['--seed', '2', '--stage', 'rank', '--rank', '--annotator', 'ada'], {
        watch(printed, abort) {
          const url = /http:\S+/.exec(printed)?.[0]
          if (url === undefined || posted) return
          posted = true
          void post(new URL(url), abort)
        },
      })
    }
    const decide = async (url: URL, most: number): Promise<number> => {
      const headers = { authorization: `Bearer ${url.searchParams.get('token')}` }
      let state = (await (await fetch(new URL('/state', url), { headers })).json()) as { done: number; task?: { id: string } }
      const before = state.done
      for (let i = 0; i < most && state.task !== undefined; i++) {
        const body = JSON.stringify({ id: state.task.id, choice: { kind: 'best', best: 0 } })
        state = (await (await fetch(new URL('/rank', url), { method: 'POST', headers, body })).json()) as typeof state
      }
      return before
    }
    const stopped = await rank(async (url, abort) => void (await decide(url, 2), abort()))
    expect(stopped.results).toMatchObject({ name: 'AbortError' })
    let before = -1
    const finished = await rank(async (url) => void (before = await decide(url, Infinity)))
    expect(before).toBe(2)
    expect(resultsOf(finished.results).at(-1)).toMatchObject({
      name: 'rank',
      reused: false,
      report: { figures: { rankings: 12, pairs: 12 } },
    })
    expect(finished.text).toContain('ranked by ada')
    expect(existsSync(join(out, 'rank.interrupted'))).toBe(false)
  }, 120_000)
})

describe('the command line', () => {
  it('is explained, and says what is wrong with it', () => {
    expect(readOptions(['--help'])).toMatchObject({ failed: false })
    for (const [args, problem] of [
      [['--stage', 'dance'], `--stage takes one of ${stageNames.join(', ')}, got 'dance'`],
      [['--seconds', 'x'], "--seconds takes a number from 1 to 86400, got 'x'"],
      [['--temperatures', '0,-1'], '--temperatures takes a number from 0 to 10'],
      [['--ask', ' '], '--ask needs some text'],
      [['--nonsense'], 'nonsense'],
    ] as const)
      expect(readOptions(args)).toMatchObject({ failed: true, help: expect.stringContaining(problem) })
    expect(readOptions([]) as Options).toMatchObject({ seconds: 110, resume: false })
  })

  it('refuses to resume what is not there', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'tesserae-empty-'))
    const { results } = await run(['--resume', '--out', empty])
    rmSync(empty, { recursive: true })
    expect(results).toMatchObject({ message: expect.stringContaining('--resume needs the results of an interrupted run') })
  })
})

describe('what the stages are given', () => {
  it('is a set of short conversations, part of which is held out', async () => {
    const { train, heldOut } = await conversations({ seed: 1 })
    expect(train.length + heldOut.length).toBeGreaterThan(240)
    expect(heldOut.length).toBeGreaterThan(20)
    const texts = new Set(train.map((row) => JSON.stringify(row)))
    expect(heldOut.some((row) => texts.has(JSON.stringify(row)))).toBe(false)
    for (const { messages } of [...train, ...heldOut]) {
      expect(messages.map(({ role }) => role)).toEqual(messages.map((_, i) => (i % 2 === 0 ? 'user' : 'assistant')))
      for (const { role, content } of messages) if (role === 'assistant') expect(content.split(' ').length).toBeLessThanOrEqual(40)
    }
  })

  it('is a rule that does what it says', () => {
    expect(seaWords('The whale, the whale! And a ship.')).toBe(2)
    expect(preferred(['I do not know.', 'A whale and a ship.', 'A whale at sea.'])).toEqual({ kind: 'order', ranking: [2, 1, 0] })
    expect(preferred(['No.', 'Ok.'])).toEqual({ kind: 'tie' })
  })
})
