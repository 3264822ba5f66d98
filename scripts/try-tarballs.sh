#!/usr/bin/env bash
# Packs every package, installs the tarballs into an empty folder, and starts what was installed: with two workers on a
# configuration, and as the demo, whose printed lines are run as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill -KILL "$pid" 2> /dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT

fail() {
  echo "$1" >&2
  cat "$folder/log" >&2
  exit 1
}

# Waits until the log has a line that matches.
await() {
  for _ in $(seq 300); do
    if grep -q -- "$1" "$folder/log"; then return; fi
    kill -0 "$pid" 2> /dev/null || fail 'the installed gateway ended'
    sleep 0.1
  done
  fail "no line in the log within 30 s: $1"
}

stop() {
  kill -INT "$pid"
  wait "$pid" || fail "the installed gateway ended with $?"
  pid=
}

node scripts/pack.ts "$folder/tarballs"
echo '{ "name": "try", "private": true }' > "$folder/package.json"
cp .npmrc "$folder/"
(cd "$folder" && npm install --ignore-scripts ./tarballs/*.tgz)
pratu="$folder/node_modules/.bin/pratu"
"$pratu" version

# Any free ports: what else runs on this machine is not known.
export PRATU_PROXY_LISTEN=127.0.0.1:0 PRATU_ADMIN_LISTEN=127.0.0.1:0

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
PRATU_WORKERS=2 "$pratu" start --config "$folder/kong.yml" > "$folder/log" 2>&1 &
pid=$!
await '"msg":"listening"'
proxy=$(sed -n 's/.*"proxy":\["\([^"]*\)"\].*"msg":"listening".*/\1/p' "$folder/log")
answer=$(curl -sS "http://$proxy/answered")
[ "$answer" = '{"message":"from the tarball"}' ] || fail "the installed gateway answered: $answer"
stop
echo 'the installed gateway started with two workers, answered and stopped'

env -u OPENAI_API_KEY -u ANTHROPIC_API_KEY -u DEEPSEEK_API_KEY -u MISTRAL_API_KEY -u GROQ_API_KEY \
  "$pratu" start > "$folder/log" 2>&1 &
pid=$!
await '^Ctrl-C'
key=$(sed -n 's/.*Authorization: Bearer \([^"'"'"' ]*\).*/\1/p' "$folder/log" | head -1)
url=$(sed -n 's/^curl [^h]*\(http:\/\/[^/]*\)\/.*/\1/p' "$folder/log" | head -1)
cat > "$folder/client.mjs" <<'JS'
import { PratuClient } from '@pratu/client'
import { runBatchFile } from '@pratu/client/batch-file'
const client = new PratuClient()
const request = { model: 'gpt-4.1-mini', messages: [{ role: 'user', content: 'Say hello' }] }
const { choices } = await client.chatCompletion(request)
const text = await client.stream(request).finalText()
if (choices[0].message.content !== text || client.usage.calls !== 2 || runBatchFile.length !== 2)
  throw new Error('the installed client does not answer as it should')
await client.close()
JS
PRATU_GATEWAY_URL="$url" PRATU_API_KEY="$key" "$(command -v node)" "$folder/client.mjs" ||
  fail 'the installed client failed'
echo 'the installed client was answered, streamed and not'
mapfile -t lines < <(grep '^curl ' "$folder/log")
[ "${#lines[@]}" = 2 ] || fail 'the demo did not print two curl lines'
bash -c "${lines[0]}" | grep -q '"object":"chat.completion"' || fail 'the first line gave no completion'
bash -c "${lines[1]}" | grep -q '^data: \[DONE\]' || fail 'the second line did not stream to its end'
stop
echo 'the installed demo answered its own curl lines, streamed and not'
