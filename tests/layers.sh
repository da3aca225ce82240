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
    own='(certs|proxy|attacks|victims|labs|tests|\.+)/'
    hits=$(grep -rnE "^ *# *include *(\"|<$own)" --include='*.[ch]' \
        --include='*.def' "$1" | grep -vE ":#include \"($2)")
    [ -z "$hits" ] || fail "a wrong arrow:
$hits"
}

# foreign FOLDER LIBRARIES: headers that FOLDER does without.
foreign() {
    hits=$(grep -rnE "^ *# *include *<($2)" --include='*.[ch]' "$1")
    [ -z "$hits" ] || fail "a library that this floor does without:
$hits"
}

allowed certs 'certs/'
allowed proxy 'proxy/|certs/'
allowed attacks 'attacks/|proxy/|certs/'
allowed victims 'victims/[a-z_]+\.h|proxy/base/dial\.h|certs/(err|verify)\.h'
allowed labs 'labs/|attacks/|proxy/|certs/'

foreign certs 'uv|pcap|lua|lauxlib|jansson|zlib|brotli|zstd|md4c|nghttp2'
foreign victims 'uv|pcap|lua|lauxlib|jansson|zlib|brotli|zstd|md4c|nghttp2'
foreign attacks 'pcap|lua|lauxlib|md4c'
foreign proxy 'jansson|md4c'

# door FUNCTION FILE: only FILE may call FUNCTION.
door() {
    hits=$(grep -rnE "(^|[^A-Za-z0-9_>.])$1 *\(" --include='*.[ch]' \
        certs proxy attacks victims labs | grep -vE "^($2):" |
        grep -vE ':[0-9]+: *(\*|/\*|//)')
    [ -z "$hits" ] || fail "$1 outside $2:
$hits"
}

door connect 'proxy/base/dial\.c'
door uv_tcp_connect 'proxy/base/dial_loop\.c'
door uv_udp_connect 'proxy/base/dial_loop\.c'
door getaddrinfo 'none'
door dlopen 'proxy/capture/libpcap\.c'
door libpcap_get 'proxy/capture/(raw\.c|libpcap\.[ch])'
door pcap_create 'none'
door pcap_open_live 'none'
hits=$(grep -rnE 'socket *\( *[AP]F_PACKET' --include='*.[ch]' \
    certs proxy attacks victims labs)
[ -z "$hits" ] || fail "a packet socket outside proxy/capture/raw.c:
$hits"

# Every kind of event that is documented is written by somebody.
for kind in $(sed -n 's/^EVENT("\([^"]*\)".*/\1/p' proxy/event.def); do
    grep -rqF "\"$kind\"" --include='*.[ch]' proxy attacks victims ||
        fail "nobody writes the event $kind"
done

# Nothing of ours touches the trust stores of the host.
stores='update-ca-certificates|trust anchor|certutil|/etc/ssl/certs'
stores="$stores|set_default_verify|load_verify_(dir|store)"
hits=$(grep -rnE "$stores" \
    --include='*.[ch]' --include='*.lua' certs proxy attacks victims labs)
[ -z "$hits" ] || fail "a trust store of the host is named:
$hits"
exit $bad
