// Runs before each test file. Files of one worker share their modules, and so what modules remember.
import { setDebug, setDefaultDevice } from '@tesserae/tensor'

setDefaultDevice(undefined)
setDebug(0)
