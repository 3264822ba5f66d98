/**
 * Why several workers cannot share a port here.
 *
 * @returns `undefined` when they can: `SO_REUSEPORT` through Node.js needs Linux and version 23.1 (or 22.12).
 */
export function reusePortIssue(): string | undefined {
  if (process.platform !== 'linux') return `several workers need Linux, this is ${process.platform}`
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const able = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
  return able
    ? undefined
    : `several workers need Node.js 23.1 or newer, this is ${process.versions.node}`
}
