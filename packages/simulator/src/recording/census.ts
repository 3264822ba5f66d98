/** What is counted beside the records, so that statistics survive the records' limits. */
export class Census {
  /** Requests since the start or the last restart; the next one gets this ordinal. */
  requests = 0
  malformed = 0
  /** Answers that a fault changed. */
  faulted = 0
  /** Streamed answers begun. */
  streams = 0
  openStreams = 0
  /** Connections accepted since the start. */
  connections = 0
  openConnections = 0

  /** Counts from 0 again; what is open stays counted. */
  restart(): void {
    this.requests = 0
    this.malformed = 0
    this.faulted = 0
    this.streams = this.openStreams
  }
}
