#!/usr/bin/env node
import { doctor } from './doctor.js'

const usage = `Usage: npx @tesserae/tensor doctor

  doctor   shows which ways to compute work here, how fast, what to install for the others, and which device 'auto' is
`

const command = process.argv[2]
if (command === 'doctor') {
  const report = await doctor()
  process.stdout.write(report.text)
  process.exitCode = report.works ? 0 : 1
} else {
  process.stdout.write(usage)
  process.exitCode = command === undefined || command === '--help' || command === 'help' ? 0 : 1
}
