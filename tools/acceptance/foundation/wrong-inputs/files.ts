// Checkpoints that are cut short, hostile, or of another model.
import { readFileSync } from 'node:fs'
import { openSafetensors } from '@tesserae/tensor'
import { checkWeights, gpt2, initWeights, llama, readLlama2c } from '@tesserae/transformer'
import { dataFile } from '../../lib/data.js'
import type { WrongInput } from './case.js'

/** A file with any header, true or not. */
function file(header: string, dataBytes: number, length: bigint = BigInt(Buffer.byteLength(header))): Uint8Array {
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(length)
  return new Uint8Array(Buffer.concat([start, Buffer.from(header), Buffer.alloc(dataBytes)]))
}

const entry = (begin: number, end: number): string => `{"dtype":"F32","shape":[${(end - begin) / 4}],"data_offsets":[${begin},${end}]}`
const open = (bytes: Uint8Array) => async (): Promise<void> => {
  const opened = await openSafetensors(bytes)
  for (const name of opened.names) await opened.tensor(name)
}
const safetensors = (title: string, bytes: Uint8Array): WrongInput => ({
  title: `safetensors: ${title}`,
  codes: ['FILE'],
  attempt: open(bytes),
})

export async function fileCases(): Promise<WrongInput[]> {
  const whole = file(`{"a":${entry(0, 16)}}`, 16)
  await open(whole)() // or every refusal below would prove nothing
  const stories = (): Uint8Array => new Uint8Array(readFileSync(dataFile('stories260K.bin')))
  return [
    safetensors('cut in the data', whole.subarray(0, whole.length - 4)),
    safetensors('cut in the header', whole.subarray(0, 20)),
    safetensors('of four bytes', whole.subarray(0, 4)),
    safetensors('header length 2^60', file(`{"a":${entry(0, 16)}}`, 16, 2n ** 60n)),
    safetensors('offsets outside the file', file(`{"a":${entry(0, 4096)}}`, 16)),
    safetensors('overlapping tensors', file(`{"a":${entry(0, 16)},"b":${entry(8, 24)}}`, 24)),
    safetensors('duplicate keys', file(`{"a":${entry(0, 8)},"a":${entry(8, 16)}}`, 16)),
    safetensors('shape of 2^53 elements', file('{"a":{"dtype":"F32","shape":[9007199254740992],"data_offsets":[0,16]}}', 16)),
    { title: 'llama2.c: cut short', codes: ['CHECKPOINT'], attempt: () => readLlama2c(stories().subarray(0, 100_000)) },
    { title: 'llama2.c: a safetensors file', codes: ['CHECKPOINT'], attempt: () => readLlama2c(whole) },
    {
      title: "a GPT-2's weights for a Llama",
      codes: ['WEIGHTS'],
      attempt() {
        const sizes = { vocabSize: 11, width: 8, layers: 1, heads: 2, context: 4 }
        checkWeights(initWeights(gpt2(sizes), { seed: 1 }), llama({ ...sizes, hidden: 16 }))
      },
    },
  ]
}
