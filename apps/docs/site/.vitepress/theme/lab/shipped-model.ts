import { fromBytes, openSafetensors, resolveDevice, type Device, type Tensor } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import { checkConfig, mapWeights, namedWeights, weightSpecs, type DecoderConfig, type DecoderWeights } from '@tesserae/transformer'
import { fetchFile } from './fetch-file.js'

/** The model of `scripts/train-model.mts`, and what it runs on. */
export interface ShippedModel {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly tokenizer: Tokenizer
}

/** Fetches and checks the model; weights are float16 in the file and float32 here. */
export async function loadShippedModel(folder: string): Promise<ShippedModel> {
  const [config, tokenizer, bytes] = await Promise.all([
    fetchFile(`${folder}/config.json`).then(async (response) => checkConfig((await response.json()) as DecoderConfig)),
    fetchFile(`${folder}/tokenizer.json`).then(async (response) => Tokenizer.fromJSON(await response.text())),
    fetchFile(`${folder}/model.safetensors`).then(async (response) => new Uint8Array(await response.arrayBuffer())),
  ])
  const file = await openSafetensors(bytes)
  const specs = weightSpecs(config)
  const read = new Map<string, Tensor>()
  for (const [name, { shape }] of namedWeights(specs)) {
    const stored = await file.tensor(name, { dtype: 'f32' })
    read.set(name, fromBytes(stored.bytes, { dtype: 'f32', shape }))
  }
  await file.dispose()
  return { config, tokenizer, weights: mapWeights(specs, (_, name) => read.get(name)!) }
}

/** How the device names itself, threads included. */
export const deviceText = async (): Promise<string> => (await cpu()).description

let device: Promise<Device> | undefined
export const cpu = (): Promise<Device> => (device ??= resolveDevice('cpu'))
