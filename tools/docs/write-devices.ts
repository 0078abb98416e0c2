// Writes docs/devices.md. With a column and a file, what `npm run smoke:cuda -- --all --json FILE` wrote on another machine is taken in first:
//   npx tsx --conditions=@tesserae/source tools/docs/write-devices.ts 'cuda, NVIDIA H200' FILE
import { writeFileSync } from 'node:fs'
import { readTally, recordDevice, type DeviceColumn } from '../acceptance/gpu/devices.js'
import { devicesPage } from './devices.js'

const [column, file] = process.argv.slice(2)
if (column !== undefined) {
  if (file === undefined || !/^(cuda|webgpu), \S/.test(column)) {
    console.error(`A column is headed 'cuda, …' or 'webgpu, …' and comes with a file; got ${process.argv.slice(2).join(' ')}`)
    process.exit(2)
  }
  recordDevice(column as DeviceColumn, readTally(file))
}
const page = devicesPage()
writeFileSync(new URL('../../docs/devices.md', import.meta.url), page)
console.log(page)
