// Why: whether others can reach a port decides what it may do without credentials.

/** Whether a host that is listened on is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
