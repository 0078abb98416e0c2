import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RankingItem } from '../rows.js'
import { readRankings } from './log.js'
import { serveRanking, type RankingScreenState, type RankingServer } from './server.js'

const items: RankingItem[] = Array.from({ length: 4 }, (_, i) => ({
  id: `q${i}`,
  prompt: `Question ${i}`,
  completions: [`good ${i}`, `bad ${i}`, `ugly ${i}`],
}))
let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-rank-'))
  path = join(folder, 'deep', 'rankings.jsonl')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const serve = (annotator = 'ada') => serveRanking({ items, path, annotator, seed: 3 })

function client(server: RankingServer) {
  const { origin, searchParams } = new URL(server.url)
  const headers = { authorization: `Bearer ${searchParams.get('token')}` }
  const call = async (route: string, body?: unknown, method = body === undefined ? 'GET' : 'POST') => {
    const response = await fetch(`${origin}/${route}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, text, json: () => JSON.parse(text) as RankingScreenState & { error?: string } }
  }
  const state = async () => (await call('state')).json()
  const rank = async (choice: unknown) => await call('rank', { id: (await state()).task!.id, choice })
  return { origin, call, state, rank }
}

/** The place at which the screen shows the answer that starts with `word`. */
const placeOf = (state: RankingScreenState, word: string): number =>
  state.task!.answers.findIndex(([block]) => block?.kind === 'paragraph' && String(block.content[0]).startsWith(word))

describe('the ranking server', () => {
  it('translates places on the screen into completions, and exports what was preferred', async () => {
    await using server = await serve()
    const { call, state, rank } = client(server)
    for (let i = 0; i < 4; i++) {
      const now = await state()
      const places = ['good', 'ugly', 'bad'].map((word) => placeOf(now, word))
      const { status } = await rank(
        i === 0 ? { kind: 'order', ranking: places } : i === 1 ? { kind: 'tie' } : { kind: 'best', best: places[0] },
      )
      expect(status).toBe(200)
    }
    await server.finished
    expect(await state()).toEqual({ annotator: 'ada', done: 4, total: 4, canUndo: true })
    const pairs = (await call('preferences.jsonl')).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { chosen: string; rejected: string })
    expect(pairs).toHaveLength(3 + 2 + 2)
    for (const { chosen, rejected } of pairs)
      expect([chosen, rejected].map((text) => 'good ugly bad'.indexOf(text.split(' ')[0]!))).toSatisfy(([a, b]) => a < b)
    expect((await call('statistics')).json()).toMatchObject({ position: { rankings: 3 }, agreement: [] })
    // The display order is kept, so that position bias can be seen later.
    for (const row of await readRankings(path))
      expect(row).toMatchObject({ type: 'ranking', annotator: 'ada', seed: 3, order: expect.any(Array) })
  })

  it('keeps every decision, and undo adds a line instead of removing one', async () => {
    {
      await using server = await serve()
      const { call, rank } = client(server)
      await rank({ kind: 'tie' })
      await rank({ kind: 'skip' })
      expect((await call('undo', {})).json()).toMatchObject({ done: 1, canUndo: true })
    }
    expect((await readRankings(path)).map(({ type }) => type)).toEqual(['ranking', 'ranking', 'retraction'])
    await using again = await serve()
    expect(await client(again).state()).toMatchObject({ done: 1, total: 4 })
    await using other = await serve('bob')
    expect(await client(other).state()).toMatchObject({ done: 0, annotator: 'bob' })
  })

  it('takes a decision once, however often it is sent', async () => {
    await using server = await serve()
    const { call, state } = client(server)
    const { id } = (await state()).task!
    const answers = await Promise.all(Array.from({ length: 5 }, () => call('rank', { id, choice: { kind: 'tie' } })))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409])
    expect(await state()).toMatchObject({ done: 1 })
    expect(answers.find(({ status }) => status === 409)!.json().error).toContain('is not the item that is being ranked')
  })

  it('sets aside a line that a crash cut, and names one that is malformed', async () => {
    {
      await using server = await serve()
      await client(server).rank({ kind: 'tie' })
    }
    await appendFile(path, '{"type":"ranking","id":"q')
    {
      await using server = await serve()
      expect(await client(server).state()).toMatchObject({ done: 1 })
      await client(server).rank({ kind: 'tie' })
    }
    expect(await readRankings(path)).toHaveLength(2)
    expect(await readFile(`${path}.torn`, 'utf8')).toBe('{"type":"ranking","id":"q')
    await writeFile(path, 'nonsense\n')
    await expect(serve()).rejects.toMatchObject({ code: 'ROW', message: expect.stringContaining('rankings.jsonl, line 1 is not JSON') })
  })

  it('answers only to its token and its own address', async () => {
    await using server = await serve()
    const { origin, call } = client(server)
    const { hostname, port } = new URL(origin)
    expect(hostname).toBe('127.0.0.1')
    for (const route of ['', 'state', 'preferences.jsonl', `state?token=${'x'.repeat(32)}`])
      expect((await fetch(`${origin}/${route}`)).status).toBe(403)
    // What a page elsewhere sends whose name was made to point here.
    const status = await new Promise((resolve, reject) => {
      request(
        { hostname, port, path: new URL(server.url).pathname + new URL(server.url).search, headers: { host: 'evil.example' } },
        (response) => {
          response.resume()
          resolve(response.statusCode)
        },
      )
        .on('error', reject)
        .end()
    })
    expect(status).toBe(403)
    const page = await fetch(server.url)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).not.toMatch(/(src|href)="https?:/)
    expect((await call('nothing')).status).toBe(404)
    expect((await call('rank', 'not json')).json().error).toContain('must be JSON')
    expect((await call('rank', `"${'x'.repeat(20_000)}"`)).status).toBe(409)
    expect((await call('rank', 'null')).status).toBe(409)
  })

  it('says that a port is taken', async () => {
    await using server = await serve()
    const port = Number(new URL(server.url).port)
    await expect(serveRanking({ items, path: join(folder, 'other.jsonl'), annotator: 'ada', seed: 1, port })).rejects.toMatchObject({
      code: 'OPTION',
    })
  })
})
