#!/usr/bin/env bash
# Scans a listener as a mesh's ingress has it (a certificate, no client certificates, Istio's suites) with testssl.sh and sslyze, and fails
# on what they find. TESTSSL and SSLYZE name them where they are not on the PATH; one that is missing is skipped by name.
set -euo pipefail
cd "$(dirname "$0")/.."
program="${OUTRIGGER_BIN:-target/debug/outrigger}"
folder="$(mktemp -d)"
pid=""
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$folder"' EXIT

for tool in openssl python3; do
  command -v "$tool" >/dev/null || { echo "skipped: tls-scan: no $tool"; exit 0; }
done
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/ca-key.pem" -out "$folder/ca.pem" \
  -subj /CN=scan -days 90 -addext keyUsage=critical,keyCertSign 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/key.pem" -out "$folder/request.pem" -subj /CN=localhost 2>/dev/null
printf '%s\n' subjectAltName=DNS:localhost keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth \
  basicConstraints=critical,CA:false >"$folder/extensions"
openssl x509 -req -in "$folder/request.pem" -CA "$folder/ca.pem" -CAkey "$folder/ca-key.pem" -days 90 -sha256 \
  -extfile "$folder/extensions" -out "$folder/chain.pem" 2>/dev/null

cat >"$folder/bootstrap.yaml" <<YAML
static_resources:
  listeners:
  - name: ingress
    address: { socket_address: { address: 127.0.0.1, port_value: $port } }
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params:
              tls_minimum_protocol_version: TLSv1_2
              tls_maximum_protocol_version: TLSv1_3
              cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256]
            tls_certificates:
            - { certificate_chain: { filename: $folder/chain.pem }, private_key: { filename: $folder/key.pem } }
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          http_filters:
          - { name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }
          route_config:
            virtual_hosts:
            - { name: all, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200 } }] }
YAML
"$program" -c "$folder/bootstrap.yaml" -l error --disable-hot-restart &
pid=$!
for _ in $(seq 100); do
  openssl s_client -connect "127.0.0.1:$port" </dev/null >/dev/null 2>&1 && break
  sleep 0.1
done

failed=0
sslyze="${SSLYZE:-sslyze}"
if command -v "$sslyze" >/dev/null; then
  echo "== sslyze: protocols, suites, vulnerabilities"
  "$sslyze" --sslv2 --sslv3 --tlsv1 --tlsv1_1 --tlsv1_2 --tlsv1_3 --heartbleed --openssl_ccs --robot --compression --reneg --fallback \
    --ems "localhost:$port" >"$folder/sslyze.txt"
  old='SSL 2.0|SSL 3.0|TLS 1.0|TLS 1.1'
  rejected="$(grep -A1 -E " \* ($old) Cipher Suites" "$folder/sslyze.txt" | grep -c 'rejected all cipher suites' || true)"
  if [ "$rejected" != 4 ] || grep -E 'VULNERABLE|NOT SUPPORTED -|DEPRECATED' "$folder/sslyze.txt"; then
    cat "$folder/sslyze.txt"; failed=1
  fi
else
  echo "skipped: tls-scan: no sslyze (pip install sslyze)"
fi

testssl="${TESTSSL:-testssl.sh}"
if command -v "$testssl" >/dev/null; then
  echo "== testssl.sh: protocols, suites, forward secrecy, vulnerabilities"
  "$testssl" --quiet --color 0 --warnings off --nodns min --openssl "$(command -v openssl)" -p -s -f -U \
    --jsonfile "$folder/testssl.json" "localhost:$port" >"$folder/testssl.txt" || true
  if ! grep -q '"severity"' "$folder/testssl.json"; then cat "$folder/testssl.txt"; failed=1; fi
  if grep -E '"severity" *: *"(LOW|MEDIUM|HIGH|CRITICAL|FATAL)"' "$folder/testssl.json" >/dev/null; then
    grep -B4 -A2 -E '"severity" *: *"(LOW|MEDIUM|HIGH|CRITICAL|FATAL)"' "$folder/testssl.json"; failed=1
  fi
else
  echo "skipped: tls-scan: no testssl.sh"
fi
exit "$failed"
