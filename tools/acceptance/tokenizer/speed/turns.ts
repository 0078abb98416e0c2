import { join } from 'node:path'
import { runForJson } from '../../lib/peers.js'
import type { OwnName, PeerName } from './contestants.js'
import type { Speed } from './measure.js'

/**
 * The speeds of each tokenizer in English, code and texts in many languages. Each has a process of its own, since in a common one the garbage of one is collected in
 * the time of another, and code that many call is compiled for all of them. They take turns, so that whatever else the machine does falls on all alike; the best of
 * the rounds counts.
 */
export async function speedsInTurns(names: readonly (OwnName | PeerName)[], folder: string, rounds: number): Promise<Speed[]> {
  const best = new Map<string, Speed>()
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const child = join(import.meta.dirname, 'child.ts')
      for (const speed of (await runForJson(process.execPath, [...process.execArgv, child, name, folder])) as Speed[]) {
        const key = JSON.stringify([name, speed.text])
        const known = best.get(key)
        best.set(key, {
          ...speed,
          contestant: name,
          empty: Math.max(speed.empty, known?.empty ?? 0),
          warm: Math.max(speed.warm, known?.warm ?? 0),
        })
      }
    }
  }
  return [...best.values()]
}
