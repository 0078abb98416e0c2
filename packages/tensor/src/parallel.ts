/** `@tesserae/tensor/parallel`: what ranks of a group do together. Groups of threads are made here, groups of processes in `@tesserae/tensor/node`. */
export { PeerError, type PeerProblem } from './errors.js'
export type {
  BroadcastOptions,
  GroupArray,
  GroupBytes,
  GroupCallOptions,
  ProcessGroup,
  ReduceOp,
  ReduceOptions as GroupReduceOptions,
} from './parallel/group.js'
export { joinThreads, threadSeats, type JoinOptions, type SeatPort, type ThreadSeat, type ThreadSeatOptions } from './parallel/threads.js'
export { agreeOn } from './parallel/agree.js'
export { agreeOnTensors, allReduceTensors, broadcastTensors, type BucketOptions, type ReduceTensorsOptions } from './parallel/tensors.js'
