export { RawClient, type RawResponse } from '../packages/gateway/src/listener/testing/raw-client.ts'
