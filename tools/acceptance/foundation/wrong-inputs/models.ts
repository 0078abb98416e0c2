// A model given tokens, positions and signals that it cannot follow.
import { createModel, forward, gpt2, initWeights, train, type Batches } from '@tesserae/transformer'
import { tensor } from '@tesserae/tensor'
import type { WrongInput } from './case.js'

const config = gpt2({ vocabSize: 17, width: 16, layers: 2, heads: 2, context: 8 })
const model = () => createModel({ config, weights: initWeights(config, { seed: 1 }), capacity: 6 })

const batches = (id: number): Batches => ({
  at: () => ({ ids: new Int32Array(8).fill(id), targets: new Int32Array(8).fill(1), rows: 2, length: 4 }),
})

/** What some work throws; an error of its own when it throws nothing. */
async function thrownBy(work: () => Promise<void>): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return new Error('it went on to the end')
}

export const modelCases: readonly WrongInput[] = [
  {
    title: 'a token id ≥ the vocabulary in a prompt',
    codes: ['TOKEN'],
    async attempt() {
      using decoder = await model()
      await decoder.generate([1, 17])
    },
  },
  {
    title: 'a token id ≥ the vocabulary in training data',
    codes: ['TOKEN'],
    async attempt() {
      using run = train({ config, weights: initWeights(config, { seed: 1 }), data: batches(17), steps: 2 })
      for await (const event of run) void event
    },
  },
  {
    title: 'a prompt beyond the capacity',
    codes: ['CAPACITY'],
    async attempt() {
      using decoder = await model()
      await decoder.generate([1, 2, 3, 4, 5, 6, 7])
    },
  },
  {
    title: 'more tokens than there is room for',
    codes: ['CAPACITY'],
    async attempt() {
      using decoder = await model()
      await decoder.generate([1, 2], { maxTokens: 50 })
    },
  },
  {
    title: 'ids longer than the context',
    codes: ['CAPACITY'],
    attempt: () => forward(initWeights(config, { seed: 1 }), tensor(new Int32Array(9), { shape: [1, 9] }), { config }),
  },
  {
    title: 'a signal aborted while training, whose state stays whole',
    codes: ['ABORTED'],
    async attempt() {
      const control = new AbortController()
      using run = train({ config, weights: initWeights(config, { seed: 1 }), data: batches(1), steps: 50, signal: control.signal })
      const stopped = await thrownBy(async () => {
        for await (const { step } of run) if (step === 3) control.abort()
      })
      if (run.step !== 3) throw new Error(`${run.step} steps were done instead of 3`)
      await run.weights.embedding.weight.data() // the state is whole
      throw stopped
    },
  },
  {
    title: 'a signal aborted while generating, by a model that generates again',
    codes: ['ABORTED'],
    async attempt() {
      using decoder = await model()
      const control = new AbortController()
      const stopped = await thrownBy(async () => {
        for await (const { id } of decoder.stream([1], { maxTokens: 5, signal: control.signal })) if (id >= 0) control.abort()
      })
      const { ids } = await decoder.generate([1], { maxTokens: 2 })
      if (ids.length !== 2) throw new Error('the model did not generate again')
      throw stopped
    },
  },
  {
    title: 'a model used after dispose()',
    codes: ['DISPOSED'],
    async attempt() {
      const decoder = await model()
      decoder.dispose()
      await decoder.generate([1])
    },
  },
]
