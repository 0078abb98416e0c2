// Bar 2: MB per CPU-second beside the other tokenizers of JavaScript in one run, one long piece, and loading.
import { join } from 'node:path'
import { runForJson } from '../../lib/peers.js'
import { atLeast, atMost, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import { npmFolderWith } from '../../lib/npm.js'
import { ours, ownNames, peerNames, peerPackages, type PeerName } from '../speed/contestants.js'
import { cpuSeconds, type Speed } from '../speed/measure.js'
import { speedsInTurns } from '../speed/turns.js'
import { randomFrom } from '../texts/fuzz.js'

const ROUNDS = 3
const bars = [
  { text: 'English', empty: 15, warm: 40 },
  { text: 'code', empty: 17, warm: 55 },
  { text: 'Unicode', empty: 6, warm: 20 },
] as const

const texts = bars.map(({ text }) => text)
const [cl100k, o200k, fromJson] = [
  '@tesserae/tokenizer cl100k_base',
  '@tesserae/tokenizer o200k_base',
  '@tesserae/tokenizer from tokenizer.json',
] as const
const face = '@huggingface/tokenizers'

const source: RowSource = async ({ log }) => {
  let folder = ''
  let others: readonly PeerName[] = []
  let missing: Row | undefined
  try {
    // A development machine may have a folder with the peers already.
    folder = process.env['TESSERAE_NPM_PEERS'] ?? npmFolderWith('tokenizers', peerPackages)
    others = peerNames
  } catch (error) {
    missing = unavailable('speed of the other tokenizers', 'beside ours', error)
  }
  const speeds = await speedsInTurns([...ownNames, ...others], folder, ROUNDS)
  for (const { contestant, text, empty, warm } of speeds.toSorted(
    (a, b) => texts.indexOf(a.text as 'code') - texts.indexOf(b.text as 'code'),
  ))
    log(`${text}: ${contestant}: ${empty.toFixed(1)} empty, ${warm.toFixed(1)} warm`)
  const of = (contestant: string, text: string): Speed => speeds.find((speed) => speed.contestant === contestant && speed.text === text)!
  const note = (text: string, kind: 'empty' | 'warm') => {
    const mine = of(cl100k, text)
    return others
      .map((other) => {
        const speed = of(other, text)
        const same = speed.bytes !== mine.bytes || speed.count === mine.count ? '' : ', other ids'
        return `${other} ${speed[kind].toFixed(1)} (ours is ${(mine[kind] / speed[kind]).toFixed(1)} times as fast${same})`
      })
      .join('; ')
  }
  const rows: Row[] = missing === undefined ? [] : [missing]
  for (const { text, ...limits } of bars) {
    for (const kind of ['empty', 'warm'] as const) {
      rows.push(
        atLeast(`cl100k_base, ${text}, ${kind} cache`, of(cl100k, text)[kind], limits[kind], {
          unit: 'MB per CPU-second',
          digits: 1,
          note: note(text, kind),
        }),
      )
      rows.push(
        atLeast(`o200k_base, ${text}, ${kind} cache, as a share of cl100k_base`, of(o200k, text)[kind] / of(cl100k, text)[kind], 0.8, {
          note: `${of(o200k, text)[kind].toFixed(1)} MB per CPU-second`,
        }),
      )
    }
  }
  if (others.length > 0) {
    for (const { text } of bars) {
      rows.push(
        atLeast(
          `tokenizer.json of cl100k_base, ${text}, empty cache: times as fast as ${face}`,
          of(fromJson, text).empty / of(face, text).empty,
          5,
          {
            digits: 1,
            note: `${of(fromJson, text).empty.toFixed(1)} and ${of(face, text).empty.toFixed(1)} MB per CPU-second`,
          },
        ),
      )
    }
  }
  rows.push(...(await longPieces()), ...(await loading()))
  return rows
}
export default source

async function longPieces(): Promise<Row[]> {
  const random = randomFrom(1)
  const letters = Array.from({ length: 1e6 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join('')
  const rows: Row[] = []
  for (const name of ['cl100k_base', 'o200k_base'] as const) {
    const encode = ours(name).fresh()
    encode('warm '.repeat(1000))
    for (const [what, text] of Object.entries({ a: 'a'.repeat(1e6), _: '_'.repeat(1e6), 'random letters': letters })) {
      let count = 0
      const seconds = cpuSeconds(() => (count = encode(text).length))
      rows.push(atMost(`${name}, one piece of 10⁶ characters: ${what}`, seconds, 1.5, { unit: 'CPU-seconds', note: `${count} tokens` }))
    }
  }
  return rows
}

async function loading(): Promise<Row[]> {
  const rows: Row[] = []
  for (const name of ['cl100k_base', 'o200k_base', 'o200k_harmony']) {
    const times: { wall: number; cpu: number }[] = []
    for (let i = 0; i < 5; i++) {
      const script = join(import.meta.dirname, '../speed/load.ts')
      times.push((await runForJson(process.execPath, [...process.execArgv, script, name])) as { wall: number; cpu: number })
    }
    const wall = median(times.map((time) => time.wall))
    rows.push(
      atMost(`loading ${name} in a new process, import of its data included`, median(times.map((time) => time.cpu)), 150, {
        unit: 'CPU-milliseconds',
        digits: 0,
        note: `median of 5; ${wall.toFixed(0)} ms by the clock`,
      }),
    )
  }
  return rows
}
