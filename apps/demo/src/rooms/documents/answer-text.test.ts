import type { Citation } from '@tesserae/rag'
import { describe, expect, it } from 'vitest'
import { piecesOf } from './answer-text.js'

const citation = (marker: number, quote: string): Citation => ({
  marker,
  chunkId: 'c',
  sourceId: 's',
  span: { start: 0, end: 1 },
  quote,
  verdict: 'verbatim',
  claim: quote,
  quoted: false,
  similarity: 1,
})

describe('piecesOf', () => {
  it('pairs each marker with its own citation, in order', () => {
    const [a, b, c] = [citation(1, 'a'), citation(2, 'b'), citation(1, 'c')]
    expect(piecesOf('A. [1] B. [2] C. [1]', [a, b, c])).toEqual([
      { text: 'A. ' },
      { citation: a },
      { text: ' B. ' },
      { citation: b },
      { text: ' C. ' },
      { citation: c },
    ])
  })

  it('leaves a marker without a citation as text', () => {
    expect(piecesOf('See [7].', [])).toEqual([{ text: 'See ' }, { text: '[7]' }, { text: '.' }])
  })
})
