#!/usr/bin/env bash
# Packs every package, installs the tarballs into an empty folder, and starts what was installed.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT

node scripts/pack.ts "$folder/tarballs"
cat > "$folder/package.json" <<'JSON'
{ "name": "try", "private": true }
JSON
cp .npmrc "$folder/"
(cd "$folder" && npm install --ignore-scripts ./tarballs/*.tgz)
pratu="$folder/node_modules/.bin/pratu"
"$pratu" version

cat > "$folder/kong.yml" <<'YAML'
_format_version: "3.0"
services:
- name: none
  url: http://127.0.0.1:9
  routes:
  - name: answered
    paths: [/answered]
    plugins:
    - name: request-termination
      config: {status_code: 200, message: from the tarball}
YAML
PRATU_WORKERS=2 PRATU_PROXY_LISTEN=127.0.0.1:18000 PRATU_ADMIN_LISTEN=127.0.0.1:18080 \
  "$pratu" start --config "$folder/kong.yml" > "$folder/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  if answer=$(curl -sf http://127.0.0.1:18000/answered); then break; fi
  sleep 0.1
done
if [ "${answer:-}" != '{"message":"from the tarball"}' ]; then
  echo "the installed gateway answered: ${answer:-nothing}" >&2
  cat "$folder/log" >&2
  exit 1
fi
kill -INT "$pid"
wait "$pid"
pid=
echo 'the installed gateway started with two workers, answered and stopped'
