import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startProcess, type RigProcess } from './process.ts'

/**
 * Starts Debian's nginx with one worker and the access log off.
 *
 * @param folder for its configuration and temporary files.
 * @param port where it is ready; one of those that `servers` listen on.
 * @param servers what goes into its `http` block.
 */
export function startNginx(folder: string, port: number, servers: string): Promise<RigProcess> {
  const file = join(folder, `nginx-${port}.conf`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind}-${port};`)
    .join(' ')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/nginx-${port}.pid; error_log stderr crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; keepalive_timeout 75s; ${temporary}
${servers}
}`,
  )
  return startProcess({ command: ['/usr/sbin/nginx', '-c', file, '-p', folder], port })
}

/** A server that answers every request with the same JSON text. @param json without `'`. */
export function staticServer(port: number, json: string): string {
  return `server {
  listen 127.0.0.1:${port} backlog=4096; default_type application/json;
  location / { return 200 '${json}'; }
}`
}

/** A reverse proxy to `origin`, and below `/events` to `eventOrigin`. Both are `host:port`. */
export function proxyServer(port: number, origin: string, eventOrigin: string): string {
  const upstream = (name: string, to: string): string =>
    `upstream ${name} { server ${to}; keepalive 512; keepalive_requests 1000000; }`
  const location = (path: string, name: string): string =>
    `location ${path} { proxy_pass http://${name}; proxy_http_version 1.1; proxy_set_header Connection ""; }`
  return `${upstream('answers', origin)}
${upstream('events', eventOrigin)}
server {
  listen 127.0.0.1:${port} backlog=4096;
  ${location('/', 'answers')}
  ${location('/events', 'events')}
}`
}
