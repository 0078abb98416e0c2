// Bars 5 and 6, the documentation's part: it builds, every page is visited, every experiment is used.
import { checkDocs, docsPages, longPages, problemsOf } from '../../../../tests/apps/docs-check.js'
import { openDocs, type DocsSite } from '../../../../tests/apps/docs-site.js'
import { atMost, row, unavailable, type RowSource } from '../../lib/row.js'

const figure = 'docs in Chromium: pages without console error or axe violation, experiments with the result they must have'

const source: RowSource = async ({ log }) => {
  const paths = [...docsPages, ...longPages]
  const target = `${paths.length} of ${paths.length}`
  let site: DocsSite
  try {
    site = await openDocs()
  } catch (error) {
    return unavailable(figure, target, error)
  }
  try {
    const reports = []
    for (const path of paths) {
      const [report] = await checkDocs({ ...site, paths: [path] })
      reports.push(report!)
      log(`${path}: ${problemsOf([report!]).join('; ') || 'well'}`)
    }
    const problems = problemsOf(reports)
    const well = reports.filter((report) => problemsOf([report]).length === 0).length
    const used = reports.filter(({ experiment }) => experiment !== undefined).length
    const note =
      problems.length === 0 ? `${used} experiments used; pictures at 375 and 1440 px in ${site.pictures}` : problems.slice(0, 5).join('; ')
    return [
      row(figure, target, `${well} of ${reports.length}`, well === reports.length, note),
      atMost('docs: reference and site built', site.buildSeconds, 90, { unit: 's', digits: 0 }),
    ]
  } finally {
    await site[Symbol.asyncDispose]()
  }
}
export default source
