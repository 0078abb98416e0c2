import { dropout, foldKey, type Tensor } from '@tesserae/tensor'

/** Dropout of one layer in training: the probability, and a key that differs between steps and layers. */
export interface Dropout {
  readonly probability: number
  /** u32 [2] */
  readonly key: Tensor
}

/** x with elements dropped and the rest scaled up; `site` names the place, so that each draws its own mask. Without dropout, x. */
export const drop = (x: Tensor, options: Dropout | undefined, site: string): Tensor =>
  options === undefined ? x : dropout(x, options.probability, { key: foldKey(options.key, site), train: true })

/** The same dropout for a part of the model, with a key of its own. */
export const dropoutFor = (options: Dropout | undefined, part: string): Dropout | undefined =>
  options === undefined ? undefined : { probability: options.probability, key: foldKey(options.key, part) }
