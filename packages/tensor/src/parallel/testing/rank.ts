/** What the programs say that `runRanks` runs. */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Leaves word of which process this is, so that one that hangs does not outlive the test. */
export const beginRank = (folder: string, rank: number): void => writeFileSync(join(folder, `pid-${rank}`), String(process.pid))

/** Writes a rank's report, whole or not at all. */
export function reportRank(folder: string, rank: number, report: unknown): void {
  writeFileSync(join(folder, `part-${rank}`), JSON.stringify(report))
  renameSync(join(folder, `part-${rank}`), join(folder, `rank-${rank}.json`))
}
