import { describeExits } from './exits.ts'

describeExits('in memory', async () => ({ config: [], close: async () => undefined }))
