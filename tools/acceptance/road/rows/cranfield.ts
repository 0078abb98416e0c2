// Bar 3, first part: lexical search on the Cranfield collection, whole abstracts, every judged one relevant alike.
import { readFileSync } from 'node:fs'
import { createRag, evaluateRetrieval, recursive } from '@tesserae/rag'
import { readCranfield } from '@tesserae/rag/testing'
import { dataFile } from '../../lib/data.js'
import { atLeast, type RowSource } from '../../lib/row.js'

const source: RowSource = async ({ log }) => {
  const read = (name: string) => readFileSync(dataFile(`cranfield/${name}`), 'utf8')
  const { documents, questions } = readCranfield({ documents: read('cran.all'), queries: read('cran.qry'), judgements: read('cran.qrel') })
  await using rag = await createRag({ chunker: recursive({ maxTokens: 4096, overlap: 0 }) })
  const { ms } = await rag.sync(documents)
  log(`${documents.length} abstracts indexed in ${(ms / 1000).toFixed(1)} s`)
  const start = performance.now()
  const { ndcg, recall, mrr, questions: asked } = await evaluateRetrieval(rag, questions, { k: 10 })
  const perQuestion = (performance.now() - start) / asked.length
  const range = ({ low, high }: { readonly low: number; readonly high: number }) => `${low.toFixed(3)} to ${high.toFixed(3)}`
  return atLeast('BM25 with Porter on Cranfield, nDCG@10', ndcg.mean, 0.515, {
    digits: 4,
    note:
      `${asked.length} questions, 95 % interval ${range(ndcg)}; recall@10 ${recall.mean.toFixed(3)}, MRR@10 ${mrr.mean.toFixed(3)}; ` +
      `defaults k1 1.2, b 0.75; ${perQuestion.toFixed(2)} ms a question`,
  })
}
export default source
