// BM25: time to index the Cranfield abstracts and to answer its questions, and how good the answers are.
import { Bm25Index, countTerms, english, ndcg, plainWords, type Analyzer } from '@tesserae/rag'
import type { Cranfield } from '@tesserae/rag/testing'
import { contest, peer, time, type Side } from './contest.mjs'

type Search = (query: string) => readonly string[] | Promise<readonly string[]>
type Index = () => Search | Promise<Search>

export async function words({ documents, questions }: Cranfield, folder: string | undefined): Promise<void> {
  const ours = (analyzer: () => Analyzer): Index => {
    return () => {
      const index = new Bm25Index()
      const { analyze } = analyzer()
      for (const { id, text } of documents) index.set(id, countTerms(analyze(text)))
      return (query) => index.search(analyze(query), { k: 10 }).map(({ key }) => key)
    }
  }

  const mini = await peer<{ default: MiniSearch }>(folder, 'minisearch')
  const miniSearch: Index | undefined =
    mini &&
    (() => {
      const index = new mini.default({ fields: ['text'] })
      index.addAll(documents)
      return (query) =>
        index
          .search(query)
          .slice(0, 10)
          .map(({ id }) => id)
    })

  const orama = await peer<Orama>(folder, '@orama/orama')
  const oramaIndex = (stemming: boolean): Index | undefined =>
    orama &&
    (async () => {
      const tokenizer = await orama.components.tokenizer.createTokenizer({ language: 'english', stemming })
      const database = orama.create({ schema: { id: 'string', text: 'string' }, components: { tokenizer } })
      await orama.insertMultiple(
        database,
        documents.map(({ id, text }) => ({ id, text })),
        1000,
      )
      return async (query) => (await orama.search(database, { term: query, properties: ['text'], limit: 10 })).hits.map(({ id }) => id)
    })

  const side = (name: string, index: Index | undefined): Side => ({
    name,
    run:
      index &&
      (async () => {
        let search: Search | undefined
        const indexing = await time(async () => (search = await index()))
        const answers: (readonly string[])[] = []
        const all = await time(async () => {
          for (const { query } of questions) answers.push(await search!(query))
        })
        const mean =
          questions.reduce((sum, { relevant }, i) => sum + ndcg(answers[i]!, new Map(Object.entries(relevant)), { k: 10 }), 0) /
          questions.length
        return { ms: { 'index all': indexing, 'a question': all / questions.length }, quality: { 'nDCG@10': mean.toFixed(3) } }
      }),
  })
  const title = `BM25 of ${documents.length} abstracts, ${questions.length} questions`
  await contest(
    `${title}, words as they are`,
    [side('@tesserae/rag, plainWords', ours(plainWords)), side('minisearch', miniSearch), side('@orama/orama', oramaIndex(false))],
    7,
  )
  await contest(`${title}, stems`, [side('@tesserae/rag, english', ours(english)), side('@orama/orama, stemming', oramaIndex(true))], 7)
}

interface MiniSearch {
  new (options: { readonly fields: readonly string[] }): {
    addAll(documents: readonly object[]): void
    search(query: string): { readonly id: string }[]
  }
}

interface Orama {
  readonly components: { readonly tokenizer: { createTokenizer(options: object): unknown } }
  create(options: object): unknown
  insertMultiple(database: unknown, documents: readonly object[], batch: number): unknown
  search(
    database: unknown,
    options: object,
  ): { readonly hits: { readonly id: string }[] } | Promise<{ readonly hits: { readonly id: string }[] }>
}
