#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The PROXY protocol: victims behind a balancer, and servers that are told who
# the victim is. haproxy is the other program that speaks it.

bats_require_minimum_version 1.5.0
load common
load tls

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH="$(dirname "$MITMLAB")/victims:$PATH"
    unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY \
        ALL_PROXY NO_PROXY
    started=()
}

needs() {
    command -v "$1" >/dev/null || lacks "$1"
}

# A server in clear: its port in $bank, what it was asked in bank.jsonl.
origin() {
    in_background bank.jsonl bank-server --listen 127.0.0.1:0 --json
    bank=$(port_of bank.jsonl)
}

# proxied ARGUMENTS: lines go to lines, events to proxy.jsonl
proxied() {
    MITMLAB_EVENTS_FD=9 in_background proxy.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy "$@"
    proxy_pid=${started[-1]}
    proxy=$(port_of proxy.jsonl)
}

stop_proxy() {
    kill -TERM "$proxy_pid"
    wait "$proxy_pid"
}

# say TEXT: to the proxy, as printf has it; the answer
say() {
    exec 8<>"/dev/tcp/127.0.0.1/$proxy"
    # shellcheck disable=SC2059
    printf "$1" >&8
    timeout 20 cat <&8 || true
    exec 8>&-
}

get='GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
v1='PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\r\n'
v2='\r\n\r\n\000\r\nQUIT\n\x21\x11\000\x0c\xc0\000\x02\x07\xc0\000\x02\x0a\x12\x34\x01\xbb'

# haproxy LINES of its configuration
balance() {
    needs haproxy
    {
        printf 'defaults\n mode tcp\n timeout connect 5s\n'
        printf ' timeout client 9s\n timeout server 9s\n'
        printf '%s\n' "$@"
    } >ha.cfg
    haproxy -db -f ha.cfg >ha.log 2>&1 &
    started+=($!)
    for _ in $(seq 200); do
        [ -S ready ] && return 0
        sleep 0.05
    done
    cat ha.log
    return 1
}

# A port that nobody has right now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

@test "both versions by hand: the line has the victim of the head" {
    origin
    proxied --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$bank"
    say "$v1$get" | grep -q '200 OK'
    say "$v2$get" | grep -q '200 OK'
    stop_proxy
    [ "$(grep -c ' 192.0.2.7:4660 GET http://a/ 200 ' lines)" = 2 ]
    grep '"kind":"proxy.told"' proxy.jsonl | grep -q '"version":1,"told":true'
    grep '"kind":"proxy.told"' proxy.jsonl | grep -q '"version":2,"told":true'
}

@test "without a head: closed without a word, and a line says why" {
    origin
    proxied --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$bank"
    [ -z "$(say "$get")" ]
    stop_proxy
    grep -q 'proxied - .* refused (the connection does not begin with a head' \
        lines
    ! grep -q ') (' lines # once
    ! grep '"leg":"server"' proxy.jsonl
}

@test "the filter knows the victim of the head" {
    origin
    proxied --show 'victim == 192.0.2.7' \
        --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$bank"
    say "$v1$get" | grep -q '200 OK'
    say "PROXY UNKNOWN\r\n$get" | grep -q '200 OK'
    stop_proxy
    [ "$(grep -c . lines)" = 1 ]
    grep -q ' 192.0.2.7:4660 GET ' lines
}

@test "-w: packets of the victim of the head, which tshark and inspect read" {
    origin
    proxied --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$bank" \
        -w out.pcapng
    say "$v2$get" | grep -q '200 OK'
    say "PROXY TCP6 2001:db8:66::7 2001:db8:66::a 4660 443\r\n$get" |
        grep -q '200 OK'
    stop_proxy
    run -0 "$MITMLAB" inspect -r out.pcapng
    [[ $output == *"from 192.0.2.7:4660 to 192.0.2.10:443"* ]]
    [[ $output == *"from [2001:db8:66::7]:4660 to [2001:db8:66::a]:443"* ]]
    [[ $output == *"says who the victim is"* ]]
    needs tshark
    tshark -r out.pcapng -Y 'http.request && frame.interface_name == "victim"' \
        -T fields -e ip.src -e ipv6.src -e tcp.srcport >sources
    [ "$(cat sources)" = $'192.0.2.7\t\t4660\n\t2001:db8:66::7\t4660' ]
}

@test "curl --haproxy-protocol, in clear and with TLS" {
    origin
    needs curl
    curl --help all | grep -q haproxy-protocol || lacks "such a curl"
    name=bank.lab.test
    make_certificates
    tls_server
    proxied --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$bank" \
        --listen "reverse,proxied@127.0.0.1:0=https://127.0.0.1:$server" \
        --ca rogue --upstream-insecure
    curl -sS --haproxy-protocol "http://127.0.0.1:$proxy/" >body
    grep -qi bank body
    curl -sSk --haproxy-protocol \
        "https://127.0.0.1:$(port_of proxy.jsonl 2)/" >body
    grep -q . body
    stop_proxy
    [ "$(grep '"kind":"proxy.told"' proxy.jsonl | grep -c '"version":1')" = 2 ]
}

@test "haproxy before the proxy, with send-proxy and send-proxy-v2" {
    origin
    needs curl
    proxied --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$bank"
    one=$(free_port)
    two=$(free_port)
    balance 'listen status' " bind $PWD/ready" ' server n 127.0.0.1:9' \
        'listen one' " bind 127.0.0.1:$one" \
        " server p 127.0.0.1:$proxy send-proxy" \
        'listen two' " bind 127.0.0.1:$two" \
        " server p 127.0.0.1:$proxy send-proxy-v2 proxy-v2-options crc32c"
    first=$(curl -sS -o body -w '%{local_port}' "http://127.0.0.1:$one/")
    grep -qi bank body
    second=$(curl -sS -o body -w '%{local_port}' "http://127.0.0.1:$two/")
    grep -qi bank body
    stop_proxy
    grep -q " 127.0.0.1:$first GET " lines
    grep -q " 127.0.0.1:$second GET " lines
    grep '"kind":"proxy.told"' proxy.jsonl | grep -q '"version":1,"told":true'
    grep '"kind":"proxy.told"' proxy.jsonl | grep -q '"version":2,"told":true'
}

@test "haproxy behind the proxy, with accept-proxy, reads both versions" {
    needs curl
    origin
    for version in v1 v2; do
        behind=$(free_port)
        rm -f ready
        balance 'listen status' " bind $PWD/ready" ' server n 127.0.0.1:9' \
            'listen told' ' mode http' ' option forwardfor' \
            " bind 127.0.0.1:$behind accept-proxy" \
            " server o 127.0.0.1:$bank"
        proxied --send-proxy "$version" \
            --listen "reverse,proxied@127.0.0.1:0=http://127.0.0.1:$behind"
        say "$v1$get" | grep -q '200 OK'
        stop_proxy
    done
    # haproxy tells its server whom it was told.
    [ "$(grep '"kind":"http.request"' bank.jsonl |
        grep -ci '"x-forwarded-for","192.0.2.7"')" = 2 ]
}

@test "haproxy that expects a head, and none comes, hangs up" {
    origin
    needs curl
    behind=$(free_port)
    balance 'listen status' " bind $PWD/ready" ' server n 127.0.0.1:9' \
        'listen told' ' mode http' " bind 127.0.0.1:$behind accept-proxy" \
        " server o 127.0.0.1:$bank"
    proxied --listen "reverse@127.0.0.1:0=http://127.0.0.1:$behind"
    run curl -s "http://127.0.0.1:$proxy/"
    [[ $status == 52 || $status == 56 ]] # an end, or a reset
    stop_proxy
    grep -Eq 'failed \(the server (ended|reset) the connection without' lines
    ! grep '"kind":"http.request"' bank.jsonl
}

@test "--send-proxy is v1 or v2, and DNS is not proxied: exit 2" {
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --send-proxy v3
    [[ $output == *'--send-proxy is v1 or v2, not "v3"'* ]]
    run -2 "$MITMLAB" proxy --listen reverse,proxied@127.0.0.1:0=dns://127.0.0.1
    [[ $output == *"cannot be proxied"* ]]
}
