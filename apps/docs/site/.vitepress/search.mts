import type { DefaultTheme } from 'vitepress'

type Render = NonNullable<DefaultTheme.LocalSearchOptions['_render']>
type SearchOptions = NonNullable<NonNullable<DefaultTheme.LocalSearchOptions['miniSearch']>['searchOptions']>

/**
 * A page as the search index reads it: code is plain text. Coloured, it would take as long as the page itself, and the types that samples show on
 * hover would be found as if someone had written them.
 */
export const renderForSearch: Render = (source, env, markdown) => {
  const { highlight } = markdown.options
  markdown.options.highlight = null
  try {
    const html = markdown.render(source, env)
    return env.frontmatter?.search === false ? '' : html
  } finally {
    markdown.options.highlight = highlight ?? null
  }
}

/** All words of a question have to be there, and explanations come before the reference. Sent to the browser as text, so nothing from outside is used. */
export const searchOptions: SearchOptions = {
  combineWith: 'AND',
  boostDocument: (id: unknown) => (String(id).includes('/api/') ? 0.3 : 1),
}
