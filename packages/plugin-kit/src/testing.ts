/** For tests of plugins: exchanges and contexts without a gateway, a driver, and the conformance suite. */
export * from './testing/index.ts'
