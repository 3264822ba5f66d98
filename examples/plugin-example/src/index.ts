export { allowedTeams } from './plugin.ts'
