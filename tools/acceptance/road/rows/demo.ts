// Bars 5, 6 and 10, the demo: it builds, every room is visited and used in Chromium, a closed tab resumes, a host without headers is served.
import { demoChecks } from '../../../../tests/apps/demo/checks.js'
import { openSite } from '../../../../tests/apps/demo/site.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const source: RowSource = async ({ log }) => {
  let site
  try {
    site = await openSite()
  } catch (error) {
    return unavailable('demo: built and opened in Chromium', 'every check holds', error)
  }
  await using opened = site
  const rows: Row[] = [row('demo: static site built', 'builds', `${opened.buildSeconds.toFixed(1)} s`, true)]
  for (const { name, run } of demoChecks) {
    log(`demo: ${name}`)
    try {
      rows.push(row(`demo: ${name}`, 'holds', 'holds', true, await run(opened)))
    } catch (error) {
      rows.push(row(`demo: ${name}`, 'holds', 'fails', false, error instanceof Error ? error.message.slice(0, 600) : String(error)))
    }
  }
  log(`screenshots in ${opened.screenshots}`)
  return rows
}
export default source
