/** Cross-encoders: a query and a document are read together, and get a score. */
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import type { Device, DeviceName } from '@tesserae/tensor'
import type { Tokenizer } from '@tesserae/tokenizer'
import type { ConfigFields } from '../checkpoints/families/family.js'
import { TransformerError } from '../errors.js'
import { readEncoderConfig, readEncoderTokenizer, type CheckpointFiles } from './checkpoint.js'
import type { BertConfig } from './config.js'
import { bertScores } from './forward.js'
import { readBertWeights } from './read.js'
import { bertRunner } from './run.js'
import { tokenizedPair } from './tokenize.js'

export interface LoadRerankerOptions {
  /** Where to run; default the default device. */
  readonly device?: Device | DeviceName
  /** Scores between 0 and 1, or as the classifier gives them; default what the model's files say, or 'sigmoid'. */
  readonly activation?: 'sigmoid' | 'identity'
  /** Tokens of query and document together at most; default what the files say, never more than the model's context. */
  readonly maxTokens?: number
  readonly signal?: AbortSignal
  /** Task `load-encoder`, in tensors. */
  readonly onProgress?: OnProgress
}

export interface RankOptions {
  /** How many to give; default all. */
  readonly topK?: number
  /** Stops between batches, with an error named AbortError. */
  readonly signal?: AbortSignal
  /** Task `rank`, in texts. */
  readonly onProgress?: OnProgress
}

export interface RankedDocument {
  /** Its place among the documents that were given. */
  readonly index: number
  /** Larger is more relevant. */
  readonly score: number
  readonly document: string
}

/** A cross-encoder ready to use. Own it: `using`, or `dispose()`. */
export interface Reranker extends Disposable {
  readonly config: BertConfig
  readonly tokenizer: Tokenizer
  /** Longest query and document together, in tokens; the longer of the two is cut. */
  readonly context: number
  /** Documents by how well they answer a query, the best first; equal ones in their order. Errors: OPTION, AbortError between batches. */
  rank(query: string, documents: readonly string[], options?: RankOptions): Promise<RankedDocument[]>
  /** The score of each pair of a query and a document, in their order. Errors: AbortError between batches. */
  score(pairs: readonly (readonly [query: string, document: string])[], options?: Omit<RankOptions, 'topK'>): Promise<Float32Array>
  dispose(): void
}

/**
 * A reranker from the files of a checkpoint: a classifier with one label over BERT, RoBERTa and XLM-R, DistilBERT or ModernBERT, as sentence-transformers' CrossEncoder takes it.
 * Errors: CHECKPOINT, CONFIG; FILE and IO of the readers; OUT_OF_MEMORY; AbortError.
 */
export async function openReranker(files: CheckpointFiles, options: LoadRerankerOptions = {}): Promise<Reranker> {
  const { device, signal, onProgress } = options
  const model = await readEncoderConfig(files, '', { classifier: true })
  const { config, fields } = model
  const labels = config.head!.labels
  if (labels !== 1)
    throw new TransformerError('CHECKPOINT', `${files.label}: its classifier gives ${labels} scores for a text; a reranker gives 1`)
  const activation = options.activation ?? activationOf(fields)
  const { tokenizer, maxTokens } = await readEncoderTokenizer(files, '', config, { maxTokens: options.maxTokens })
  throwIfAborted(signal, 'Loading the reranker')
  const file = await files.tensors('')
  const weights = await readBertWeights(file, model, { label: files.label, signal, onProgress }).finally(() => file.dispose())
  const runner = await bertRunner({
    config,
    weights,
    device,
    name: 'scorePairs',
    segments: config.types > 1,
    compute(input, rotary) {
      const scores = bertScores(weights, input, config, rotary)
      return activation === 'sigmoid' ? scores.sigmoid() : scores
    },
  })

  const score: Reranker['score'] = async (pairs, call = {}) => {
    const encoded = pairs.map(([query, document]) => tokenizedPair(query, document, tokenizer, maxTokens))
    const rows = await runner.run(encoded, { signal: call.signal, onProgress: call.onProgress, task: 'rank' })
    return Float32Array.from(rows, (row) => row[0]!)
  }
  return {
    config,
    tokenizer,
    context: maxTokens,
    score,
    async rank(query, documents, call = {}) {
      const { topK = documents.length, ...rest } = call
      if (!Number.isInteger(topK) || topK < 0)
        throw new TransformerError('OPTION', `rank: topK must be a whole number from 0 on, got ${topK}`)
      const scores = await score(
        documents.map((document) => [query, document] as const),
        rest,
      )
      return Array.from(scores, (value, index) => ({ index, score: value, document: documents[index]! }))
        .toSorted((a, b) => b.score - a.score || a.index - b.index)
        .slice(0, topK)
    },
    dispose: () => runner.dispose(),
    [Symbol.dispose]: () => runner.dispose(),
  }
}

/** What sentence-transformers wrote in `config.json`, of its versions before 4 and since. */
function activationOf(fields: ConfigFields): 'sigmoid' | 'identity' {
  const own = fields.has('sentence_transformers') ? fields.inside('sentence_transformers') : undefined
  const [from, name] = own?.has('activation_fn') === true ? [own, 'activation_fn'] : [fields, 'sbert_ce_default_activation_function']
  switch (from.text(name, 'Sigmoid').split('.').at(-1)) {
    case 'Sigmoid':
      return 'sigmoid'
    case 'Identity':
      return 'identity'
    default:
      throw from.fail(name, 'torch.nn.modules.activation.Sigmoid or torch.nn.modules.linear.Identity')
  }
}
