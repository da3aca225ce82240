#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab proxy, as someone who starts it by hand meets it.

bats_require_minimum_version 1.5.0
load common


setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH="$(dirname "$MITMLAB")/victims:$PATH"
    echo '127.0.0.1 bank.lab.test' >hosts
    export MITMLAB_HOSTS="$PWD/hosts"
    started=()
}

# A request outside of the walls, with more path than any window shows.
long_request() {
    exec 8<>"/dev/tcp/127.0.0.1/$(port_of ready.jsonl)"
    printf 'GET http://192.0.2.1/%0120d HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n' 0 >&8
    cat <&8 >/dev/null
    exec 8>&-
}

plain_bank() {
    in_background bank.jsonl bank-server --listen 127.0.0.1:0 --user u \
        --password p --json
    bank=$(port_of bank.jsonl)
}

@test "without --listen it says what it wants, and exits 2" {
    run -2 "$MITMLAB" proxy
    [[ $output == *"--listen"* ]]
}

@test "addresses outside of the walls are refused with 6" {
    run -6 "$MITMLAB" proxy --listen 192.0.2.1:8080
    run -6 "$MITMLAB" proxy --listen 0.0.0.0:8080
    run -6 "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream http://198.51.100.1
    run -6 "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream 'http://[2001:db8::1]'
    [[ $output == *"outside the lab"* ]]
}

@test "--transparent is refused with 6 outside of a lab" {
    run -6 "$MITMLAB" proxy --listen 127.0.0.1:0 --transparent
}

@test "mistakes on the command line name the nearest right word" {
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --lenient bare-lff
    [[ $output == *bare-lf* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --upsteam http://localhost
    [[ $output == *--upstream* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream gopher://localhost
    [[ $output == *http://* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --workers 0
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --lenient all
    [[ $output == *bare-lf*no-host* ]]
    run -2 "$MITMLAB" proxy -z
    [[ $output != *"did you mean"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream 127.0.0.1:80
    [[ $output == *"write http://127.0.0.1:80"* ]]
    run -2 "$MITMLAB" proxy --listen http@127.0.0.1:0 --upstream http://127.0.0.1:80
    [[ $output == *"--upstream is for listeners without MODE@"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --idle -1
    [[ $output == *"86400"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --attack rewrit,find=a,with=b
    [[ $output == *rewrite* ]]
}

@test "files that are not there are named" {
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream-ca none.pem
    [[ $output == *none.pem* ]]
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --client-cert none.pem
    [[ $output == *"none.pem: No such file"* ]]
    run ! "$MITMLAB" proxy --listen 127.0.0.1:0 --ca none
    [[ $output == *none* ]]
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --script none.lua
    [[ $output == *none.lua* ]]
    echo 'function on_request(' >bad.lua
    run -5 "$MITMLAB" proxy --listen 127.0.0.1:0 --script bad.lua
    [[ $output == *bad.lua:* ]]
}

@test "a port that is taken is named, with the reason" {
    in_background one.jsonl "$MITMLAB" proxy --listen 127.0.0.1:0 --json
    run -4 "$MITMLAB" proxy --listen "127.0.0.1:$(port_of one.jsonl)"
    [[ $output == *"$(port_of one.jsonl)"*"in use"* ]]
}

@test "an exchange is one readable line, and SIGTERM ends it with 0" {
    plain_bank
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$bank"
    proxy=$(port_of ready.jsonl)
    https-client --get "http://bank.lab.test:$proxy/" >/dev/null
    for _ in $(seq 100); do [ -s lines ] && break; sleep 0.05; done
    grep -E "^[0-9:]{8} 127\.0\.0\.1:[0-9]+ GET http://bank\.lab\.test:$proxy/ 200 up 0 down [0-9]+ in [0-9]+ ms$" lines
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
    started=("${started[@]:0:1}")
}

# lines_of ARGUMENTS: a proxy in front of the bank; its lines go to `lines`
lines_of() {
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$bank" "$@"
    proxy=$(port_of ready.jsonl)
}

# What the proxy has printed when it is over.
all_lines() {
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
}

@test "a line says why nothing came of it, whatever was asked" {
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen http@127.0.0.1:0 --listen socks@127.0.0.1:0 \
        --listen reverse@127.0.0.1:0=http://nowhere.lab.test \
        --listen reverse@127.0.0.1:0=tcp://127.0.0.1:1
    ask() { # PORT REQUEST: it may be cut before it is out
        exec 8<>"/dev/tcp/127.0.0.1/$1"
        printf "$2" >&8 2>/dev/null || true
        cat <&8 >/dev/null 2>&1 || true
        exec 8>&-
    }
    http=$(port_of ready.jsonl) socks=$(port_of ready.jsonl 2)
    reverse=$(port_of ready.jsonl 3) raw=$(port_of ready.jsonl 4)
    ask "$http" 'GET http://192.0.2.1/a HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n'
    ask "$http" 'CONNECT www.example.com:443 HTTP/1.1\r\nHost: w\r\n\r\n'
    ask "$http" 'GET /\x80 HTTP/1.1\r\n\r\n'
    ask "$socks" '\x05\x01\x00\x05\x01\x00\x01\x08\x08\x08\x08\x00\x50'
    ask "$reverse" 'GET /b HTTP/1.1\r\nHost: a\r\n\r\n'
    ask "$raw" 'hello'
    all_lines
    cat lines
    grep -E ' GET http://192\.0\.2\.1/a 403 .* ms \(192\.0\.2\.1:80 is outside the lab;' lines
    grep -E ' CONNECT www\.example\.com:443 502 .*\(www\.example\.com: name not in this lab' lines
    grep -E ' http .* failed \(a character that no request target' lines
    grep -E ' socks 8\.8\.8\.8 .* failed \(8\.8\.8\.8:80 is outside the lab;' lines
    grep -E ' GET http://a/b 502 .*\(nowhere\.lab\.test: name not in this lab' lines
    grep -E ' raw 127\.0\.0\.1 .* failed \(the server at 127\.0\.0\.1:1: connection refused\)' lines
    [ "$(wc -l <lines)" = 6 ]
}

@test "rows follow the width of the window" {
    export -f port_of long_request
    NO_COLOR=1 MITMLAB_EVENTS_FD=9 run -0 "$BATS_TEST_DIRNAME/window.py" 100 bash -c \
        'exec 9>ready.jsonl; exec "$@"' - "$MITMLAB" proxy \
        --listen http@127.0.0.1:0 -- took '!long_request' 403 used =40 \
        '!long_request' 403 used ^C
    [[ $output == *"/000000"* ]]
    wide=$(sed '/^=40$/,$d' <<<"$output" | awk '{ print length }' | sort -n | tail -1)
    narrow=$(sed '1,/^=40$/d' <<<"$output" | awk '{ print length }' | sort -n | tail -1)
    [ "$wide" -gt 80 ] && [ "$wide" -le 100 ]
    [ "$narrow" -gt 30 ] && [ "$narrow" -le 40 ]
}

# With a terminal nobody needs to look for the port.
@test "it says where it listens and what becomes of TLS, unless asked not to" {
    plain_bank
    run -0 "$BATS_TEST_DIRNAME/window.py" 80 "$MITMLAB" proxy \
        --listen 'http@[::1]:0' --listen "reverse@127.0.0.1:0=http://127.0.0.1:$bank" \
        -- took ^C
    [[ $output =~ Listening\ at\ \[::1\]:[1-9][0-9]*\ \(http\) ]]
    [[ $output =~ and\ 127\.0\.0\.1:[1-9][0-9]*\ \(reverse\)\ for\ http://127\.0\.0\.1:$bank ]]
    [[ $output == *"TLS goes through unread"*"--ca DIR"* ]]
    "$MITMLAB" cert make c00 --out d >/dev/null
    run -0 "$BATS_TEST_DIRNAME/window.py" 80 "$MITMLAB" proxy \
        --listen http@127.0.0.1:0 --ca d/rogue -- took ^C
    [[ $output == *"--upstream-ca FILE"* ]]
    run -0 "$BATS_TEST_DIRNAME/window.py" 80 "$MITMLAB" proxy \
        --listen http@127.0.0.1:0 --ca d/rogue --upstream-ca d/trust.pem -- took ^C
    [[ $output != *--* ]]
    timeout -s INT 1 "$MITMLAB" proxy -q --listen 127.0.0.1:0 2>said || true
    [ ! -s said ]
}

@test "a closed standard output costs the lines and nothing else" {
    plain_bank
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >&-; exec "$@"' - "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --upstream "http://127.0.0.1:$bank"
    for _ in 1 2 3; do
        https-client --get "http://bank.lab.test:$(port_of ready.jsonl)/" >/dev/null
    done
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
}

@test "when nobody reads its lines any more it ends, and keeps what it has" {
    timeout 20 "$MITMLAB" proxy --listen 127.0.0.1:0 --write kept.pcapng \
        2>/dev/null | true
    [ "${PIPESTATUS[0]}" = 0 ]
    run -0 "$MITMLAB" inspect -r kept.pcapng
}

@test "lines that find no room are told once, and exit 3" {
    plain_bank
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >/dev/full; exec "$@"' - "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$bank"
    https-client --get "http://bank.lab.test:$(port_of ready.jsonl)/" >/dev/null
    kill -TERM "${started[-1]}"
    wait "${started[-1]}" && false || [ $? = 3 ]
    [ "$(grep -c 'not all lines' ready.jsonl.err)" = 1 ]
}

@test "the end of its terminal ends it, with all that it keeps; nohup does not" {
    plain_bank
    for before in env nohup; do
        in_background hup.jsonl $before "$MITMLAB" proxy --listen 127.0.0.1:0 \
            --upstream "http://127.0.0.1:$bank" --json --har $before.har
        https-client --get "http://bank.lab.test:$(port_of hup.jsonl)/" >/dev/null
        kill -HUP "${started[-1]}"
        [ $before = env ] || kill -TERM "${started[-1]}"
        wait "${started[-1]}"
        grep -q '"entries"' $before.har
    done
}

@test "help ends in examples, and so does the manual page" {
    "$MITMLAB" help proxy | grep -A99 '^examples:' | grep -q 'mitmlab proxy -l 8080'
    "$MITMLAB" completions man proxy | grep -A9 '^.SH EXAMPLES' |
        grep -q 'mitmlab proxy'
}

@test "what a proxy does to a URL is no change that a person made" {
    plain_bank
    echo '127.0.0.1 bank.lab.test' >hosts
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen http@127.0.0.1:0 --rule 'path == /x : set header X-A b'
    for path in / /x; do
        exec 8<>"/dev/tcp/127.0.0.1/$(port_of ready.jsonl)"
        printf "GET http://bank.lab.test:$bank$path HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n" >&8
        cat <&8 >/dev/null
        exec 8>&-
    done
    all_lines
    grep -E '/ 200 .* ms$' lines
    grep -E '/x 404 .* both-changed$' lines
}

@test "-v shows both heads, -vv bodies, and what a rule changed is marked" {
    plain_bank
    lines_of -vv --rule 'request && method == GET : set header X-Lab mark'
    https-client --get "http://bank.lab.test:$proxy/" >/dev/null
    all_lines
    grep -E ' 200 up .* request-changed$' lines
    grep -F '  > GET / HTTP/1.1  (changed)' lines
    grep -F '  > X-Lab: mark' lines
    grep -F '  < HTTP/1.1 200 OK' lines
    grep -F '  < | ' lines
}

@test "--show prints lines of what it names, and -q prints none" {
    plain_bank
    lines_of --show 'status == 404'
    https-client --get "http://bank.lab.test:$proxy/" >/dev/null
    https-client --get "http://bank.lab.test:$proxy/nothing" >/dev/null || true
    all_lines
    grep -q '/nothing 404' lines
    [ "$(wc -l <lines)" = 1 ]
    lines_of -q
    https-client --get "http://bank.lab.test:$proxy/" >/dev/null
    all_lines
    [ ! -s lines ]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --show 'stauts == 404'
    [[ $output == *status* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --show tls --json
    [[ $output == *--show*--json* ]]
}

@test "what a victim sends cannot command the terminal" {
    plain_bank
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$bank"
    exec 8<>"/dev/tcp/127.0.0.1/$(port_of ready.jsonl)"
    printf 'GET /%%1b]0;x HTTP/1.1\r\nHost: bank.lab.test\r\nConnection: close\r\n\r\n' >&8
    cat <&8 >/dev/null
    exec 8>&-
    for _ in $(seq 100); do [ -s lines ] && break; sleep 0.05; done
    [ -s lines ]
    ! LC_ALL=C grep -q '[^ -~]' lines
}

@test "several workers share a port, and all stop together" {
    plain_bank
    in_background proxy.jsonl "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --upstream "http://127.0.0.1:$bank" --workers 3 --json
    for _ in $(seq 12); do
        https-client --get "http://bank.lab.test:$(port_of proxy.jsonl)/" \
            >/dev/null
    done
    kill -INT "${started[-1]}"
    wait "${started[-1]}"
    started=("${started[@]:0:1}")
    [ "$(grep -c '"kind":"http.request".*"leg":"victim"' proxy.jsonl)" = 12 ]
}

@test "a script edits what passes" {
    plain_bank
    cat >edit.lua <<'LUA'
function on_response(flow)
  flow.body = flow.body:gsub("%a", "x")
  flow.status = 203
end
LUA
    in_background proxy.jsonl "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --upstream "http://127.0.0.1:$bank" --script edit.lua --json
    https-client --get "http://bank.lab.test:$(port_of proxy.jsonl)/" >/dev/null
    grep -q '"kind":"http.response".*"leg":"victim".*"status":203.*"changed":true' \
        proxy.jsonl
}

@test "a name that the lab does not know is 502, and never looked up" {
    in_background proxy.jsonl "$MITMLAB" proxy --listen 127.0.0.1:0 --json
    exec 8<>"/dev/tcp/127.0.0.1/$(port_of proxy.jsonl)"
    printf 'GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n' >&8
    answer=$(cat <&8)
    exec 8>&-
    [[ $answer == "HTTP/1.1 502 "*"name not in this lab"* ]]
}

@test "few descriptors: those over the cap hear 503, nobody else suffers" {
    plain_bank
    in_background proxy.jsonl bash -c 'ulimit -n 64; exec "$@"' - \
        "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --upstream "http://127.0.0.1:$bank" --json
    proxy=$(port_of proxy.jsonl)
    held=()
    for _ in $(seq 40); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$proxy"
        held+=("$fd")
    done
    # The last of these are answered, if they speak, while there are descriptors
    # for it, then the proxy hangs up; the first ones are served.
    heard=0
    trap '' PIPE
    for fd in "${held[@]:5}"; do
        printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' >&"$fd" || continue
        if read -r -t 0.05 line <&"$fd" && [[ $line == "HTTP/1.1 503 "* ]]; then
            heard=$((heard + 1))
        fi
    done
    [ "$heard" -gt 0 ]
    [ "$heard" -lt 40 ]
    for fd in "${held[@]}"; do exec {fd}>&-; done
    sleep 0.2
    https-client --get "http://bank.lab.test:$proxy/" >/dev/null
}

@test "--ca takes a CA whose key others may read, with a warning" {
    run -0 "$MITMLAB" cert make t03 --out d
    chmod 644 d/rogue/ca.key
    in_background proxy.jsonl "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --ca d/rogue --json
    grep -q 'warning: key file d/rogue/ca.key has mode 0644' proxy.jsonl.err
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --issuer d/rogue
    [[ $output == *"chmod 600"* ]]
}

@test "openssl.cnf of this machine does not decide what a lab speaks" {
    printf 'openssl_conf = none\n' >broken.cnf
    OPENSSL_CONF=$PWD/broken.cnf in_background ready.jsonl \
        "$MITMLAB" proxy --listen 127.0.0.1:0 --json --tls-victim versions=1.3
}

@test "a libpcap that cannot be used is missed only by captures" {
    command -v cc >/dev/null || lacks "C compiler"
    cc -shared -x c /dev/null -o libpcap.so.0.8
    LD_LIBRARY_PATH=$PWD run -0 "$MITMLAB" version
    [[ $output == *"libpcap  not installed"* ]]
}
