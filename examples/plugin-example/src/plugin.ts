import { createNoteKey, definePlugin, refuse, type Plugin } from '@pratu/plugin-kit'
import { allowedTeamsSchema, type AllowedTeamsConfig } from './config.ts'

/** What `access` leaves for the phases after it. Made once for the module, never per request. */
const TEAM = createNoteKey<string>('allowed-teams')

/** Lets only requests of known teams pass, and tells upstream, client and log which team it was. */
export const allowedTeams = definePlugin<AllowedTeamsConfig>({
  name: 'allowed-teams',
  // After authentication (1250), before rate-limiting (910): who may not pass is not counted.
  priority: 940,
  version: '0.1.0',
  schema: allowedTeamsSchema,

  create({ headerName, teams }): Plugin {
    const lowerCaseName = headerName.toLowerCase()
    // The same answer for everybody, so it is made once.
    const refusal = refuse(403, 'team_not_allowed', `${headerName} names no team that may pass`)

    return {
      access(exchange) {
        const team = exchange.request.headers.get(lowerCaseName)
        if (team === undefined || !teams.has(team)) return refusal
        exchange.setNote(TEAM, team)
        exchange.upstream.headers.set('X-Allowed-Team', team)
        exchange.annotate('team', team)
        return undefined
      },

      responseHeaders(exchange, head) {
        // Absent after a refusal: this phase runs for those too.
        const team = exchange.note(TEAM)
        if (team !== undefined) head.headers.set('X-Allowed-Team', team)
      },
    }
  },
})
