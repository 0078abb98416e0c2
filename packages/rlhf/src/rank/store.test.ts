import { describe, expect, it } from 'vitest'
import { RlhfError } from '../errors.js'
import { toPreferences } from './preferences.js'
import {
  parseRankingItems,
  parseRankings,
  standingRankings,
  type RankingChoice,
  type RankingItem,
  type RankingLine,
  type RankingRow,
} from './rows.js'
import { agreement, cohenKappa, lengthBias, positionBias } from './statistics.js'
import { rankingStore } from './store.js'

const items: RankingItem[] = [
  { id: 'a', prompt: 'What is a whale?', completions: ['A mammal.', 'A large fish, I think.', 'No.'] },
  { id: 'b', prompt: 'Hello', completions: ['Hello!', 'Go away.'] },
  { id: 'c', prompt: 'Who is Ahab?', completions: ['A captain.', 'A whale.'] },
]
const now = (): string => '2026-01-02T03:04:05.000Z'
const open = (rows: readonly RankingLine[] = [], annotator = 'ada', seed: number | string = 7) =>
  rankingStore({ items, rows, annotator, seed, now })

/** Decides about everything that is left. */
function decideAll(choiceOf: (item: RankingItem) => RankingChoice, annotator = 'ada', seed: number | string = 7): RankingLine[] {
  const store = open([], annotator, seed)
  const rows: RankingLine[] = []
  for (let task = store.next(); task !== undefined; task = store.next()) {
    const row = store.rank(task.item.id, choiceOf(task.item))
    store.apply(row)
    rows.push(row)
  }
  return rows
}

const messageOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (RlhfError.isInstance(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'nothing thrown'
}

describe('a ranking store', () => {
  it('shows every item once, in an order that the seed decides', () => {
    const seen = decideAll(() => ({ kind: 'skip' })).map(({ id }) => id)
    expect(seen.toSorted()).toEqual(['a', 'b', 'c'])
    expect(decideAll(() => ({ kind: 'skip' })).map(({ id }) => id)).toEqual(seen)
    const orders = new Set(
      Array.from({ length: 20 }, (_, seed) =>
        decideAll(() => ({ kind: 'skip' }), 'ada', seed)
          .map(({ id }) => id)
          .join(''),
      ),
    )
    expect(orders.size).toBeGreaterThan(2)
  })

  it('shuffles the answers, differently for each annotator, and says how in the row', () => {
    const displays = new Set<string>()
    for (let i = 0; i < 30; i++)
      for (const row of decideAll(() => ({ kind: 'tie' }), `annotator ${i}`))
        if (row.type === 'ranking' && row.id === 'a') displays.add(row.order.join(''))
    expect(displays.size).toBe(6)
    const [row] = decideAll(() => ({ kind: 'tie' }))
    expect(row).toMatchObject({ type: 'ranking', annotator: 'ada', seed: 7, time: now(), choice: { kind: 'tie' } })
  })

  it('goes on where the kept rows end, and takes back the last decision of this annotator', () => {
    const rows = [...decideAll(() => ({ kind: 'best', best: 0 })).slice(0, 2), ...decideAll(() => ({ kind: 'tie' }), 'bob')]
    const store = open(rows)
    expect([store.done, store.total]).toEqual([2, 3])
    const undone = store.retract()!
    expect(undone).toEqual({ type: 'retraction', id: rows[1]!.id, annotator: 'ada', time: now() })
    store.apply(undone)
    expect(store.done).toBe(1)
    expect(store.next()!.item.id).toBe(rows[1]!.id)
    // The same order on screen as before the undo.
    expect(store.next()!.order).toEqual((rows[1] as RankingRow).order)
    const again = open([...rows, undone])
    expect(again.next()).toEqual(store.next())
    expect(open().canUndo).toBe(false)
    expect(open().retract()).toBeUndefined()
  })

  it('refuses another item, a choice that is none, and items that changed under their id', () => {
    const store = open()
    const { id } = store.next()!.item
    const other = items.find((item) => item.id !== id)!.id
    expect(messageOf(() => store.rank(other, { kind: 'tie' }))).toContain(
      `'${other}' is not the item that is being ranked; that is '${id}'`,
    )
    for (const choice of [{ kind: 'best', best: 3 }, { kind: 'best' }, { kind: 'order', ranking: [0, 0, 1] }, { kind: 'none' }, null])
      expect(messageOf(() => store.rank(id, choice as RankingChoice))).toMatch(/^ROW: item/)
    const rows = decideAll(() => ({ kind: 'tie' })).map((row) => (row.id === 'b' ? { ...row, prompt: 'Hi' } : row))
    expect(messageOf(() => open(rows))).toContain("'b' was ranked with another prompt")
    expect(messageOf(() => rankingStore({ items: [items[0]!, items[0]!], annotator: 'ada', seed: 1 }))).toContain(
      "the id 'a' is another item's too",
    )
  })
})

describe('rows', () => {
  const lines = decideAll(({ completions }) => ({ kind: 'best', best: completions.length - 1 })).map((row) => JSON.stringify(row))

  it('come back from their lines', () => {
    expect(parseRankings(`${lines.join('\n')}\n`).map((row) => JSON.stringify(row))).toEqual(lines)
  })

  it.each([
    ['{"type": ', 'is not JSON'],
    ['[1]', 'must be a JSON object'],
    ['{"annotator":"x","time":"t","type":"vote"}', "type must be 'ranking' or 'retraction'"],
    ['{"time":"t","type":"retraction","id":"a"}', 'annotator must be a string, got undefined'],
    [lines[0]!.replace(/"order":\[[^\]]*\]/, '"order":[0,0,1]'), 'order must hold 0 to'],
    [lines[0]!.replace('"completions":[', '"completions":[1,'), 'completions must be at least two strings'],
    [lines[0]!.replace('"kind":"best"', '"kind":"worst"'), 'choice must be'],
    [lines[0]!.replace('"seed":7', '"seed":null'), 'seed must be'],
  ])('that are malformed are named: %s', (line, problem) => {
    const message = messageOf(() => parseRankings([lines[0]!, '', line].join('\n'), { name: 'kept.jsonl' }))
    expect(message).toContain('ROW: kept.jsonl, line 3')
    expect(message).toContain(problem)
  })

  it('that retract what does not stand are refused', () => {
    const row = JSON.parse(lines[0]!) as RankingLine
    const retraction: RankingLine = { type: 'retraction', id: row.id, annotator: 'bob', time: now() }
    expect(messageOf(() => standingRankings([row, retraction]))).toContain("'bob' retracts")
    expect(standingRankings([row, { ...retraction, annotator: 'ada' }])).toEqual([])
  })

  it('of items are read with the line as id', () => {
    expect(parseRankingItems('{"prompt":"p","completions":["a","b"]}\n')).toEqual([{ id: 'line-1', prompt: 'p', completions: ['a', 'b'] }])
    expect(messageOf(() => parseRankingItems('{"prompt":"p","completions":["a","b"]}\n{"prompt":"p","completions":["a"]}'))).toContain(
      'items, line 2',
    )
  })
})

describe('export', () => {
  it('states the pairs that a choice states, and no others', () => {
    const rows = decideAll(({ id }) =>
      id === 'a' ? { kind: 'order', ranking: [2, 0, 1] } : id === 'b' ? { kind: 'best', best: 0 } : { kind: 'bad' },
    )
    const pairs = toPreferences(rows).map(({ chosen, rejected }) => `${chosen} > ${rejected}`)
    expect(pairs.toSorted()).toEqual([
      'A mammal. > A large fish, I think.',
      'Hello! > Go away.',
      'No. > A large fish, I think.',
      'No. > A mammal.',
    ])
    expect(toPreferences(decideAll(() => ({ kind: 'tie' })))).toEqual([])
    const first = rows.find(({ id }) => id === 'b')!
    expect(toPreferences([...rows, { type: 'retraction', id: 'b', annotator: 'ada', time: now() }])).toHaveLength(
      toPreferences(rows).length - 1,
    )
    expect(first.annotator).toBe('ada')
  })

  it('never states that a text is better than the same text', () => {
    const same = [{ id: 'x', prompt: 'p', completions: ['one', 'one', 'two'] }]
    const store = rankingStore({ items: same, annotator: 'ada', seed: 1, now })
    expect(toPreferences([store.rank('x', { kind: 'best', best: 0 })])).toEqual([{ prompt: 'p', chosen: 'one', rejected: 'two' }])
  })
})

describe('statistics', () => {
  it("give Cohen's κ of a table worked out by hand", () => {
    // 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: p_o 0.7, p_e 0.5·0.6 + 0.5·0.4 = 0.5, κ 0.4
    const pairs = [...Array(20).fill('yy'), ...Array(5).fill('yn'), ...Array(10).fill('ny'), ...Array(15).fill('nn')] as string[]
    expect(
      cohenKappa(
        pairs.map((p) => p[0]!),
        pairs.map((p) => p[1]!),
      ),
    ).toBeCloseTo(0.4, 12)
    expect(cohenKappa(['a', 'a'], ['a', 'a'])).toBe(1)
    expect(cohenKappa(['a', 'b'], ['b', 'a'])).toBe(-1)
    expect(cohenKappa([], [])).toBeNaN()
    expect(messageOf(() => cohenKappa(['a'], []))).toContain('OPTION')
  })

  it('compare what two annotators decided about the same items', () => {
    const ada = decideAll(({ id }) => (id === 'a' ? { kind: 'best', best: 1 } : { kind: 'tie' }))
    const bob = decideAll(
      ({ id }) => (id === 'a' ? { kind: 'order', ranking: [1, 0, 2] } : id === 'b' ? { kind: 'tie' } : { kind: 'skip' }),
      'bob',
    )
    expect(agreement([...ada, ...bob])).toEqual([{ annotators: ['ada', 'bob'], items: 2, observed: 1, kappa: 1 }])
  })

  it('see an annotator who always takes the first place, and one who does not', () => {
    const of = (place: number | undefined): RankingLine[] =>
      Array.from({ length: 40 }, (_, i) => {
        const store = rankingStore({ items: [{ id: `${i}`, prompt: 'p', completions: ['x', 'yy'] }], annotator: 'ada', seed: i, now })
        const { order } = store.next()!
        return store.rank(`${i}`, { kind: 'best', best: place === undefined ? 1 : order[place]! })
      })
    expect(positionBias(of(0))).toMatchObject({ rankings: 40, chosen: [40, 0], expected: [20, 20], chiSquare: 40 })
    expect(positionBias(of(undefined)).chiSquare).toBeLessThan(6.6)
    // Who always takes the longer one has all the length bias there is.
    const { pairs, longerPreferred, interval } = lengthBias(of(undefined))
    expect([pairs, longerPreferred]).toEqual([40, 1])
    expect(interval[0]).toBeCloseTo(0.9124, 3)
    expect(lengthBias(of(0)).longerPreferred).toBeLessThan(0.8)
    expect(lengthBias([])).toMatchObject({ pairs: 0, longerPreferred: NaN })
  })
})
