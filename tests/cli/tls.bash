# SPDX-License-Identifier: MIT
#
# A TLS server, the proxy before it and somebody who visits: for *.bats files
# that `load common` and `load tls`.

setup() {
    command -v openssl >/dev/null || lacks openssl
    cd "$BATS_TEST_TMPDIR"
    started=()
    name=bank.lab.test
    signer=(--ca rogue) # empty: TLS passes as it is
    make_certificates
}

# A bank, its CA (itself), and an attacker's CA.
make_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -keyout bank.key -out bank.crt -subj "/CN=$name" \
        -addext "subjectAltName=DNS:$name" 2>/dev/null
    mkdir -m 700 rogue
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -keyout rogue/ca.key -out rogue/ca.crt -subj '/CN=Rogue' \
        2>/dev/null
    chmod 600 rogue/ca.key bank.key
}

# tls_server ARGUMENTS: openssl s_server with a page; its port in $server
tls_server() {
    : >server.log # not what one said before
    openssl s_server -accept 127.0.0.1:0 -cert bank.crt -key bank.key -www \
        "$@" >server.log 2>&1 &
    started+=($!)
    wait_for server.log '^ACCEPT'
    server=$(sed -n 's/^ACCEPT .*:\([0-9]*\).*/\1/p' server.log | head -1)
}

# tls_proxy ARGUMENTS: in front of $server, with the attacker's CA unless signer
# is empty; its port in
# $proxy, its events in events.jsonl
tls_proxy() {
    if [ -n "${proxy_pid:-}" ]; then # it writes into the same file
        kill "$proxy_pid" 2>/dev/null && wait "$proxy_pid" || true
    fi
    in_background events.jsonl "$MITMLAB" proxy --json --listen 127.0.0.1:0 \
        --upstream "https://127.0.0.1:$server" --upstream-insecure \
        "${signer[@]}" "$@"
    proxy_pid=${started[-1]}
    proxy=$(port_of events.jsonl)
}

# visit ARGUMENTS: openssl s_client asks the proxy for a page
visit() {
    printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 openssl s_client \
        -connect "127.0.0.1:$proxy" -servername "$name" -ign_eof \
        -CAfile "${trust:-rogue/ca.crt}" "$@" >visit.log 2>&1
}

# said KIND LEG: the data of the first such event
said() {
    wait_for events.jsonl "\"kind\":\"$1\".*\"leg\":\"$2\""
    grep "\"kind\":\"$1\".*\"leg\":\"$2\"" events.jsonl | head -1
}
