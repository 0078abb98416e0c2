import { expect, it } from 'vitest'
import { openWeb } from './cpu-web.js'

it('says why it copies where the runtime by itself does not work', async () => {
  const load = () => import('onnxruntime-web')
  const broken = await openWeb(load, {
    threads: 1,
    files: () => ({ factory: () => Promise.reject(new Error('the script was blocked')), wasm: () => Promise.reject(new Error('unused')) }),
  })
  expect(broken.notes!()).toEqual([
    'driven through its JavaScript, which copies what goes in and out: its runtime by itself does not work here (the script was blocked)',
  ])
  const unnamed = await openWeb(load, { threads: 1, files: () => undefined })
  expect(unnamed.notes!()).toEqual([expect.stringContaining('name them in ort.env.wasm.wasmPaths as { mjs, wasm }')])
  const plain = await openWeb(load, { threads: 1 })
  expect(plain.notes!()).toEqual([])
  for (const device of [broken, unnamed, plain]) await device.dispose()
})
