/** A process of its own that holds one lease until it is told to go, or is killed: `lease-holder.ts <port> <leaseMs>`. */
import { openLedger, leaseOf } from './open-ledger.ts'

const port = Number(process.argv[2])
const ledger = await openLedger(port)
const meter = ledger.meter(leaseOf(1, Number(process.argv[3]), port))
const decision = await ledger.reserve([{ meter, scope: 'alice', amount: 1 }])
process.stdout.write(decision.admitted ? 'held\n' : 'refused\n')
process.stdin.resume()
process.stdin.on('end', () => ledger.close())
