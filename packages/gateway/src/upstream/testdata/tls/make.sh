#!/bin/sh
# Makes the certificates of the upstream tests. Run it in this folder; needs OpenSSL 3. Keys are for tests only.
set -eu
days=36500
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
authority() { # file, common name
  key "$1.key"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days $days -out "$1.pem" \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
}
signed() { # file, subject alternative names, extended key usage
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$2" "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days $days -extfile "$1.ext" -out "$1.pem"
}
authority ca 'Pratu test authority'
authority other-ca 'Another test authority'
signed server 'DNS:api.test,DNS:proxy.test,IP:127.0.0.1' serverAuth
signed wrong-name 'DNS:other.test' serverAuth
signed client 'DNS:gateway.test' clientAuth
# Expired: openssl x509 takes no past dates, openssl ca does.
key expired.key
openssl req -new -key expired.key -subj '/CN=expired' -out expired.csr
printf 'subjectAltName=DNS:api.test\n' >expired.ext
: >index.txt
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\npolicy=p\ndefault_md=sha256\n[p]\ncommonName=supplied\n' >ca.conf
openssl ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca.key -in expired.csr -extfile expired.ext \
  -startdate 20200101000000Z -enddate 20200102000000Z -out expired.pem
key self-signed.key
openssl req -x509 -new -key self-signed.key -subj '/CN=api.test' -days $days -addext 'subjectAltName=DNS:api.test' -out self-signed.pem
rm -f ./*.csr ./*.ext ./*.srl index.txt* ca.conf ca.key other-ca.key
find . -name '*.pem' | grep -E '^\./[0-9A-F]+\.pem$' | xargs -r rm -f
