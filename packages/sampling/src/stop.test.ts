import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StopTexts } from './stop.js'

test('holds back what may begin a stop text, and no more', () => {
  const stops = new StopTexts(['</s>', 'END'])
  expect(stops.push('one <')).toEqual({ text: 'one ', stopped: false, stop: undefined })
  expect(stops.push('b> </s')).toEqual({ text: '<b> ', stopped: false, stop: undefined })
  expect(stops.push(' E')).toEqual({ text: '</s ', stopped: false, stop: undefined })
  expect(stops.push('ND and more')).toEqual({ text: '', stopped: true, stop: 'END' })
  expect(stops.push('EN')).toEqual({ text: '', stopped: false, stop: undefined })
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
        // The stop text that ends first, of those that end together the longest, in whatever pieces it arrives.
        const [first] = stops
          .filter((stop) => whole.includes(stop))
          .map((stop) => ({ start: whole.indexOf(stop), end: whole.indexOf(stop) + stop.length }))
          .sort((one, other) => one.end - other.end || one.start - other.start)
        expect(stopped).toBe(first !== undefined)
        expect(out).toBe(whole.slice(0, first?.start))
      },
    ),
  )
})

test('gives the stop text too where that is wanted, and refuses empty ones', () => {
  expect(new StopTexts(['.', '\n\n'], { include: true }).push('One. Two')).toEqual({ text: 'One.', stopped: true, stop: '.' })
  expect(() => new StopTexts([''])).toThrow('A stop text must be a string that is not empty, got ""')
})
