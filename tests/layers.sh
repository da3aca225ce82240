#!/bin/sh
# Who may include whom, and who may open a door to the outside.
#   labs -> attacks -> proxy -> certs; victims stand apart.
# Usage: layers.sh SOURCE_DIR
cd "${1:-.}" || exit 2
bad=0

fail() {
    echo "layers: $1"
    bad=1
}

# allowed FOLDER PATTERN: every project header that FOLDER includes must match.
allowed() {
    grep -rnE '^#include "' --include='*.[ch]' --include='*.def' "$1" |
        grep -vE "#include \"($2)" |
        while read -r line; do echo "layers: $line"; done | grep . && bad=1
}

allowed certs 'certs/'
allowed proxy 'proxy/|certs/'
allowed attacks 'attacks/|proxy/|certs/'
allowed victims 'victims/[a-z_]+\.h|proxy/base/dial\.h|certs/(err|verify)\.h'
allowed labs 'labs/|attacks/|proxy/|certs/'

# door FUNCTION FILE: only FILE may call FUNCTION.
door() {
    hits=$(grep -rnE "(^|[^A-Za-z0-9_>.])$1 *\(" --include='*.[ch]' \
        certs proxy attacks victims labs | grep -vE "^($2):" |
        grep -vE ':[0-9]+: *(\*|/\*|//)')
    [ -z "$hits" ] || fail "$1 outside $2:
$hits"
}

door connect 'proxy/base/dial\.c'
door uv_tcp_connect 'proxy/base/dial\.c'
door getaddrinfo 'none'
door pcap_create 'proxy/capture/raw\.c'
door pcap_open_live 'none'

# Nothing of ours touches the trust stores of the host.
hits=$(grep -rnE 'update-ca-certificates|trust anchor|certutil|/etc/ssl/certs' \
    --include='*.[ch]' --include='*.lua' certs proxy attacks victims labs)
[ -z "$hits" ] || fail "a trust store of the host is named:
$hits"
exit $bad
