/** `@tesserae/tensor/node`: checkpoints on disk, and groups of processes and threads. Reading maps files where the platform can; writing replaces by rename. */
export { fileSource, openGgufPath, openSafetensorsPath, type FileSourceOptions } from './io/node/file.js'
export { saveGguf } from './io/node/save-gguf.js'
export { saveSafetensors, type SaveOptions } from './io/node/save.js'
export { runThreads, threadGroup, type RunThreadsOptions, type ThreadMember, type WorkerSettings } from './parallel/node/run-threads.js'
export { mpiGroup, type MpiGroupOptions } from './parallel/node/mpi/group.js'
export { loadOnnxPath } from './onnx/node/load.js'
