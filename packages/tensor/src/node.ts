/** `@tesserae/tensor/node`: checkpoints on disk. Reading maps files where the platform can; writing replaces by rename. */
export { fileSource, openSafetensorsPath, type FileSourceOptions } from './io/node/file.js'
export { saveSafetensors, type SaveOptions } from './io/node/save.js'
