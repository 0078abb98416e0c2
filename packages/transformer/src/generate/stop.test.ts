import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StopTexts } from './stop.js'

test('holds back what may begin a stop text, and no more', () => {
  const stops = new StopTexts(['</s>', 'END'])
  expect(stops.push('one <')).toEqual({ text: 'one ', stopped: false })
  expect(stops.push('b> </s')).toEqual({ text: '<b> ', stopped: false })
  expect(stops.push(' E')).toEqual({ text: '</s ', stopped: false })
  expect(stops.push('ND and more')).toEqual({ text: '', stopped: true })
  expect(stops.push('EN')).toEqual({ text: '', stopped: false })
  expect(stops.flush()).toBe('EN')
  expect(stops.flush()).toBe('')
})

test('gives the text up to the first stop text, however it arrives', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(
      fc.array(letters),
      fc.array(
        letters.filter((text) => text !== ''),
        { maxLength: 3 },
      ),
      (pieces, stops) => {
        const state = new StopTexts(stops)
        let out = ''
        let stopped = false
        for (const piece of pieces) {
          const step = state.push(piece)
          out += step.text
          stopped = step.stopped
          if (stopped) break
        }
        if (!stopped) out += state.flush()
        const whole = pieces.join('')
        // The stop text that ends first is found first.
        const ends = stops
          .filter((stop) => whole.includes(stop))
          .map((stop) => ({ start: whole.indexOf(stop), end: whole.indexOf(stop) + stop.length }))
        expect(stopped).toBe(ends.length > 0)
        if (!stopped) expect(out).toBe(whole)
        else {
          expect(whole.startsWith(out)).toBe(true)
          expect(stops.some((stop) => whole.startsWith(stop, out.length))).toBe(true)
          expect(stops.some((stop) => out.includes(stop))).toBe(false)
        }
      },
    ),
  )
})
