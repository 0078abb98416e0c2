/**
 * Checkpoints of trainers: a folder with `trainer.json`, which holds the state without its tensors, and beside it one safetensors file with these, named after
 * the step. The JSON names the file and is replaced last, so a crash at any moment leaves the earlier checkpoint or the new one, never half of each.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fromBytes, type Tensor } from '@tesserae/tensor'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { replaceText } from '@tesserae/transformer/node'
import { RlhfError } from '../../errors.js'
import type { DpoState } from '../../trainers/dpo.js'
import type { PpoState } from '../../trainers/ppo-options.js'
import type { RewardState } from '../../trainers/reward.js'
import type { SftState } from '../../trainers/sft.js'
import { putTogether, takeApart } from '../record.js'

/** The states of the trainers by the name that a checkpoint carries. */
export interface TrainerStates {
  readonly sft: SftState
  readonly reward: RewardState
  readonly dpo: DpoState
  readonly ppo: PpoState
}
export type TrainerName = keyof TrainerStates

const format = 'tesserae-trainer'
const fileOf = (step: number): string => `step-${step}.safetensors`

/**
 * Saves a trainer's state, to go on from with `sft({ state: await loadTrainer(folder, 'sft'), … })` and its like, bit for bit. Await it before the next step.
 * Older checkpoints in the folder are removed once this one is in place. Errors: CHECKPOINT; IO and ABORTED of the writer, and then the earlier checkpoint
 * is untouched.
 */
export async function saveTrainer<Name extends TrainerName>(
  folder: string,
  { trainer, state, signal }: { readonly trainer: Name; readonly state: TrainerStates[Name]; readonly signal?: AbortSignal },
): Promise<void> {
  const { json, tensors } = takeApart(state)
  const file = fileOf(state.step)
  await attempt(`the folder ${folder} could not be made`, () => mkdir(folder, { recursive: true }))
  await saveSafetensors(join(folder, file), tensors, signal === undefined ? {} : { signal })
  const record = { format, version: 1, trainer, step: state.step, tensors: file, state: json }
  const path = join(folder, 'trainer.json')
  await attempt(`${path} could not be written`, () => replaceText(path, `${JSON.stringify(record)}\n`))
  for (const name of await readdir(folder))
    if (/^step-\d+\.safetensors$/.test(name) && name !== file) await rm(join(folder, name), { force: true })
}

/**
 * Loads what {@link saveTrainer} saved. The caller, or the run that it is given to, owns its tensors. Errors: CHECKPOINT for a folder without a checkpoint, one
 * of another trainer, or a damaged one; FILE and IO of the reader.
 */
export async function loadTrainer<Name extends TrainerName>(folder: string, trainer: Name): Promise<TrainerStates[Name]> {
  const path = join(folder, 'trainer.json')
  const fail = (what: string, cause?: unknown): never => {
    throw new RlhfError('CHECKPOINT', `${path}: ${what}; expected a checkpoint of ${trainer} written by saveTrainer`, { cause })
  }
  const text = await attempt(`${path} could not be read`, () => readFile(path, 'utf8'))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    fail(`not JSON: ${messageOf(cause)}`, cause)
  }
  const record = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>
  if (record['format'] !== format || record['version'] !== 1)
    fail(`format ${JSON.stringify(record['format'])}, version ${JSON.stringify(record['version'])}`)
  if (record['trainer'] !== trainer) fail(`trainer ${JSON.stringify(record['trainer'])}`)
  const { step, state } = record
  if (!Number.isSafeInteger(step) || (step as number) < 0) fail(`step ${JSON.stringify(step)}`)
  // The name is known beforehand: a path from the file could lead anywhere.
  if (record['tensors'] !== fileOf(step as number)) fail(`tensors ${JSON.stringify(record['tensors'])}`)
  if (typeof state !== 'object' || state === null || (state as { step?: unknown }).step !== step) fail('a state that is not of this step')
  const tensors = await readTensors(join(folder, fileOf(step as number)))
  try {
    return putTogether(state, tensors, path) as TrainerStates[Name]
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    throw error
  }
}

/** Whether a folder holds a checkpoint to go on from. */
export async function hasTrainer(folder: string): Promise<boolean> {
  return readdir(folder).then(
    (names) => names.includes('trainer.json'),
    () => false,
  )
}

async function readTensors(path: string): Promise<Map<string, Tensor>> {
  const file = await openSafetensorsPath(path)
  const tensors = new Map<string, Tensor>()
  try {
    for (const name of file.names) {
      const { bytes, shape } = await file.tensor(name, { dtype: 'f32' })
      tensors.set(name, fromBytes(bytes, { dtype: 'f32', shape, adopt: true }))
    }
    return tensors
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    throw error
  } finally {
    await file.dispose()
  }
}

async function attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    throw new RlhfError('CHECKPOINT', `${what}: ${messageOf(cause)}`, { cause })
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
