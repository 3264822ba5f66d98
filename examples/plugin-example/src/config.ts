import * as z from 'zod'

/** Any library that speaks Standard Schema will do; it must refuse unknown fields and answer at once. */
export const allowedTeamsSchema = z
  .strictObject({
    header_name: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/, 'expected a header name')
      .default('X-Team'),
    teams: z.array(z.string().min(1)).min(1, 'name at least one team'),
  })
  .transform((config) => ({
    headerName: config.header_name,
    teams: new Set(config.teams),
  }))

export type AllowedTeamsConfig = z.infer<typeof allowedTeamsSchema>
