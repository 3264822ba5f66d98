import { createLogSink } from '../log-sink.ts'

// A process whose standard output nobody reads: it must end all the same.
let dropped = 0
const sink = createLogSink({
  destination: '/dev/stdout',
  maxBytes: 1024 * 1024,
  onDropped: (lines) => (dropped += lines),
})
for (let index = 0; index < 4096; index += 1) sink.write(`${'x'.repeat(1023)}\n`)
const started = performance.now()
if (process.argv[2] === 'flush') await sink.flush(200)
else sink.flushSync(200)
process.on('exit', () => {
  process.stderr.write(`${Math.round(performance.now() - started)} ${dropped}\n`)
})
// oxlint-disable-next-line no-restricted-properties -- the test's own process, standing in for runtime/
process.exit(0)
