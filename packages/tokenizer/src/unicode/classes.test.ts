import { describe, expect, it } from 'vitest'
import { charAt, classTable, LETTER, NUMBER, OTHER, SPACE } from './classes.js'

describe('classTable', () => {
  it('has as many letters, numbers and spaces as Unicode 16', () => {
    const counts = [0, 0, 0, 0]
    for (const value of classTable()) counts[value]!++
    expect([counts[LETTER], counts[NUMBER], counts[SPACE]]).toEqual([141_028, 1_911, 25])
  })

  it('differs from the engine only where its version of Unicode does', () => {
    const classes = classTable()
    let differences = 0
    for (let point = 0; point < 0x110000; point++) {
      if (point >= 0xd800 && point < 0xe000) continue
      const char = String.fromCodePoint(point)
      const engine = /\p{L}/u.test(char) ? LETTER : /\p{N}/u.test(char) ? NUMBER : /\p{White_Space}/u.test(char) ? SPACE : OTHER
      const ours = classes[point] ?? OTHER
      if (engine === ours) continue
      // Versions add letters and numbers; none has taken any away.
      expect(ours === OTHER || engine === OTHER).toBe(true)
      differences++
    }
    expect(differences).toBeLessThan(10_000)
  })

  it('is read from UTF-8 of every length', () => {
    const classes = classTable()
    for (const [char, value] of [
      ['a', LETTER],
      ['7', NUMBER],
      ['\u0085', SPACE],
      ['é', LETTER],
      ['\u3000', SPACE],
      ['中', LETTER],
      ['\u{20000}', LETTER],
      ['\u{1f600}', OTHER],
      ['\u{10ffff}', OTHER],
    ] as const) {
      const bytes = new TextEncoder().encode(char)
      expect(charAt(classes, bytes, 0), char).toBe((bytes.length << 2) | value)
    }
  })
})
