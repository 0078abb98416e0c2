// Runs before each test file. Files of one worker share their modules, and so what modules remember.
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { setDebug, setDefaultDevice } from '@tesserae/tensor'

// The CUDA emulator makes functions of tens of thousands of bytecodes, each run for a moment only: V8 took longer to optimise them than to run them as they are.
setFlagsFromString('--max-optimized-bytecode-size=16000')

// Two files run at a time, on two processors in CI: threads that each had for both would wait for each other.
os.availableParallelism = () => 1
syncBuiltinESMExports()

setDefaultDevice(undefined)
setDebug(0)
