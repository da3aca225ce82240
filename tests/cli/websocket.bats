#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# WebSockets through mitmlab proxy: what is seen of each message, and what
# rules, scripts and a person make of it.

bats_require_minimum_version 1.5.0
load common

setup() {
    command -v python3 >/dev/null || lacks python3
    cd "$BATS_TEST_TMPDIR"
    mkdir -m 700 run
    export XDG_RUNTIME_DIR="$PWD/run"
    started=()
    "$BATS_TEST_DIRNAME/websocket.py" serve >port 2>port.err &
    started+=($!)
    wait_for port .
}

# watched OPTION...: a proxy whose lines go to `lines`, its port in $proxy
watched() {
    MITMLAB_EVENTS_FD=9 in_background events bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$(cat port)" "$@"
    proxy=$(port_of events)
}

visit() { # WORD...
    "$BATS_TEST_DIRNAME/websocket.py" visit "$proxy" "$@"
}

finish() {
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
}

@test "every message is a line: where it goes, how long it is, what it is" {
    watched
    run -0 visit hello hex:0001ff ping:p
    finish
    from='^[0-9:]{8} 127\.0\.0\.1:[0-9]+ ws ws://bank\.lab\.test/chat\?room=1'
    for end in 'up 5 text' 'down 11 text' 'up 3 binary' 'up 1 ping' \
        'down 1 pong' 'up 5 close' 'down 5 close'; do
        [ "$(grep -cE "$from $end\$" lines)" = 1 ]
    done
    # Beside those of the exchange before them and of the whole connection.
    grep -qE ' GET http://bank\.lab\.test/chat\?room=1 101 ' lines
    grep -qE ' ws 127\.0\.0\.1 up [0-9]+ down [0-9]+ in [0-9]+ ms$' lines
    [ "$(wc -l <lines)" = 10 ]
}

@test "-v shows how messages begin, -vv more, and no byte of theirs as it came" {
    long=$(printf '%0300d' 0)
    watched -v
    run -0 visit "$(printf 'a\033]0;title\a\x9b31mb')" hex:000d0a "$long"
    finish
    grep -F '  > | a\x1b]0;title\x07\x9b31mb' lines
    grep -F '  > | \x00\x0d\x0a' lines
    grep -E '^  > \| 0{72} ... of 300$' lines
    grep -F '  > | 1000 bye' lines
    ! LC_ALL=C grep -q '[^ -~]' lines
    watched -vv
    run -0 visit "$long"
    finish
    grep -E '^  > \| 0{256} ... of 300$' lines
}

@test "--show chooses among messages by what is in them" {
    watched --show 'kind == ws && body contains "secret"'
    run -0 visit hello 'my secret' 'one more'
    finish
    [ "$(sed 's/.*room=1//' lines | tr '\n' ,)" = " up 9 text, down 15 text," ]
    watched --show 'kind == ws && to == victim && size > 8'
    run -0 visit hello
    finish
    [ "$(sed 's/.*room=1//' lines)" = " down 11 text" ]
    watched --show 'kind == http'
    run -0 visit hello
    finish
    [ "$(wc -l <lines)" = 1 ]
    grep -q ' 101 ' lines
}

@test "bytes are one line at their end, and --show knows their kind" {
    for show in raw ws; do
        MITMLAB_EVENTS_FD=9 in_background events bash -c \
            'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
            --listen 127.0.0.1:0 --upstream "tcp://127.0.0.1:$(cat port)" \
            --show "kind == $show"
        proxy=$(port_of events)
        run -0 visit hello
        [ "${lines[1]}" = "(1, b'heard hello')" ]
        finish
        mv lines "$show"
    done
    grep -qE ' raw 127\.0\.0\.1 up [0-9]+ down [0-9]+ in [0-9]+ ms$' raw
    [ ! -s ws ]
}

@test "a large message that is only looked at passes, whatever is kept of it" {
    watched -v
    run -0 visit "$(printf '%060000d' 7)"
    [ "${#lines[1]}" -gt 60000 ]
    finish
    grep -q ' up 60000 text$' lines
}

@test "rules edit, drop, delay and end messages, if they speak of kind" {
    watched -v --rule 'kind == ws && body contains alice : replace body alice mallory' \
        --rule 'kind == ws && to == victim && body ~ "^heard b" : set body "nothing"' \
        --rule 'body contains hello : set body bye' \
        --rule 'kind == ws && body == quiet : drop' \
        --rule 'kind == ws && body == end : abort'
    run -0 visit 'pay alice' hello bob
    [ "${lines[1]}" = "(1, b'heard pay mallory')" ]
    [ "${lines[2]}" = "(1, b'heard hello')" ]
    [ "${lines[3]}" = "(1, b'nothing')" ]
    PATIENCE=0.3 run -0 visit quiet
    [ "${lines[1]}" = silence ]
    run -0 visit end
    [ "${lines[1]}" = "hung up" ]
    finish
    grep -q ' up 11 text changed$' lines
    grep -q ' down 7 text changed$' lines
    grep -q ' up 5 text dropped$' lines
    grep -q '"kind":"websocket.message".*"dropped":true' events
}

@test "a delay holds one message up, and those behind it in their order" {
    watched --rule 'kind == ws && body == late : delay 300ms'
    begun=$(date +%s%N)
    run -0 visit late soon
    [ $(($(date +%s%N) - begun)) -ge 300000000 ]
    [ "${lines[1]}" = "(1, b'heard late')" ]
    [ "${lines[2]}" = "(1, b'heard soon')" ]
    finish
    ! grep -q ' changed$' lines
}

@test "a script lets a message go nowhere" {
    cat >drop.lua <<'LUA'
function on_message(flow)
  if flow.to == "victim" then flow:drop() end
end
LUA
    watched --script drop.lua
    PATIENCE=0.3 run -0 visit hello
    [ "${lines[1]}" = silence ]
    finish
    grep -q ' down 11 text dropped$' lines
}

@test "--hold stops messages of a kind until somebody lets them go" {
    watched --hold 'kind == ws && to == server'
    visit 'pay alice' bob >heard 2>&1 &
    visitor=$!
    started+=("$visitor")
    wait_for events '"number":1,"what":"held"'
    run -0 "$MITMLAB" hold
    [[ $output == "1  ws bank.lab.test/chat?room=1 to server, text, 9 bytes, for "*" s" ]]
    run -0 "$MITMLAB" hold show 1
    [ "$output" = "pay alice" ]
    "$MITMLAB" hold replace 1 alice mallory
    run -2 "$MITMLAB" hold set 1 header A b
    [[ $output == *"a body and nothing else"* ]]
    run -2 "$MITMLAB" hold answer 1 404
    "$MITMLAB" hold go 1
    wait_for events '"number":2,"what":"held"'
    EDITOR='sed -i s/bob/carol/' "$MITMLAB" hold edit 2
    "$MITMLAB" hold go 2
    wait "$visitor"
    grep -q "heard pay mallory" heard
    grep -q "heard carol" heard
    PATIENCE=1 visit gone >heard 2>&1 &
    visitor=$!
    started+=("$visitor")
    wait_for events '"number":3,"what":"held"'
    "$MITMLAB" hold drop 3
    wait "$visitor"
    grep -q "hung up" heard
    run -0 "$MITMLAB" hold
    [ "$output" = "nothing is held" ]
}

@test "who hangs up while a message is held takes it along" {
    watched --hold 'kind == ws'
    PATIENCE=0.5 visit hello >heard 2>&1
    wait_for events '"number":1,"what":"held"'
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
    grep -q '"number":1,"what":"gone"' events
}
