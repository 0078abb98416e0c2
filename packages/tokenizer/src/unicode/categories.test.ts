import { describe, expect, it } from 'vitest'
import { categoryNameList, categoryTable, forEachCategoryRun } from './categories.js'

describe('general categories', () => {
  it('cover Unicode with as many code points each as version 16 has', () => {
    const counts = new Array<number>(categoryNameList.length).fill(0)
    let last = 0
    forEachCategoryRun((category, start, end) => {
      expect(start).toBe(last)
      last = end
      counts[category]! += end - start
    })
    expect(last).toBe(0x110000)
    // DerivedGeneralCategory-16.0.0.txt gives these totals.
    const of = Object.fromEntries(categoryNameList.map((name, index) => [name, counts[index]]))
    expect(of).toMatchObject({
      Lu: 1858,
      Ll: 2258,
      Lt: 31,
      Lm: 404,
      Lo: 136_477,
      Mn: 2020,
      Mc: 468,
      Me: 13,
      Nd: 760,
      Nl: 236,
      No: 915,
      Zs: 17,
      Co: 137_468,
      Cs: 2048,
    })
  })

  it('differ from the engine only where one knows a code point that the other does not', () => {
    const table = categoryTable(0x110000, (category) => category)
    const patterns = categoryNameList.map((name) => new RegExp(`\\p{${name}}`, 'u'))
    let changed = 0
    for (let point = 0; point < 0x110000; point++) {
      if (point >= 0xd800 && point < 0xe000) continue
      const category = table[point]!
      const char = String.fromCodePoint(point)
      if (patterns[category]!.test(char) || category === 0 || patterns[0]!.test(char)) continue
      // Versions correct a category now and then.
      changed++
    }
    expect(changed).toBeLessThan(20)
  })
})
