import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { tensor } from '../../create.js'
import { encodeMessage } from '../../device/onnx/proto/codec.js'
import { referenceDevice } from '../../device/reference/device.js'
import { loadOnnxPath } from './load.js'

const folder = mkdtempSync(join(tmpdir(), 'tesserae-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const info = (name: string, dims: readonly (number | string)[]) => ({
  name,
  type: {
    tensorType: { elemType: 1, shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) } },
  },
})
const width = 256 // of a weight large enough to be mapped

it('runs a model by its path, with the weights beside it', async () => {
  const path = join(folder, 'model.onnx')
  const external = (location: string) => ({
    name: 'w',
    dims: [width, width],
    dataType: 1,
    dataLocation: 1,
    externalData: [{ key: 'location', value: location }],
  })
  const model = (location: string) =>
    encodeMessage('ModelProto', {
      irVersion: 8,
      opsetImport: [{ domain: '', version: 17 }],
      graph: {
        name: 'product',
        node: [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }],
        initializer: [external(location)],
        input: [info('x', ['n', width])],
        output: [info('y', ['n', width])],
      },
    })
  const weight = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 3 : 0))
  writeFileSync(path, model('model.onnx_data'))
  writeFileSync(join(folder, 'model.onnx_data'), weight)
  using loaded = await loadOnnxPath(path)
  const x = Float32Array.from({ length: 2 * width }, (_, i) => i)
  const { y } = await loaded.run({ x: tensor(x, { shape: [2, width] }) })
  expect(await y!.data()).toEqual(x.map((value) => 3 * value))

  await expect(loadOnnxPath(path, { device: referenceDevice() })).rejects.toThrow("pass device: 'cpu'")
  writeFileSync(path, model('none'))
  await expect(loadOnnxPath(path)).rejects.toMatchObject({ code: 'IO' })
  writeFileSync(path, model('../model.onnx_data'))
  await expect(loadOnnxPath(path)).rejects.toThrow(`${path}: weight "w": its data lies at "../model.onnx_data"`)
  await expect(loadOnnxPath(join(folder, 'absent.onnx'))).rejects.toMatchObject({ code: 'IO' })
})
