#!/usr/bin/env bash
# Installs what `npm run test:system` needs, where it is missing and we may.
set -euo pipefail
missing=()
need() { command -v "$1" > /dev/null 2>&1 || missing+=("$2"); }
need slowhttptest slowhttptest
need iptables iptables
need ip iproute2
need faketime faketime
need nginx nginx-light
need haproxy haproxy
need promtool prometheus
need wrk wrk
need curl curl
need redis-server redis-server
need redis-sentinel redis-sentinel
need chromium chromium
# The tests use Debian's Python, whatever else is first in the path.
/usr/bin/python3 -c 'import httpx' 2> /dev/null || missing+=(python3 python3-httpx)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "the system tests need root and these Debian packages: ${missing[*]}" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  # A fresh machine's package lists may be old; a mirror may be slow to answer the first time.
  apt-get update -qq || apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi
