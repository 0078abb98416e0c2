import type { ProfileSink } from '../device/device.js'

let active: ProfileSink | undefined

/** The sink that runs report to while `profile()` records. */
export const activeProfile = (): ProfileSink | undefined => active

/** Sets the sink and returns the one before. */
export function setActiveProfile(sink: ProfileSink | undefined): ProfileSink | undefined {
  const before = active
  active = sink
  return before
}
