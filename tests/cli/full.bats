#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A disk that is full, a file that may not grow, a folder that is not there:
# the traffic goes on, and one sentence and exit 3 say what is missing. What
# can be known before is refused before.

bats_require_minimum_version 1.5.0

load common
load tls

# limited BLOCKS COMMAND...: no file of it grows beyond so many KiB
limited() {
    ulimit -f "$1"
    shift
    exec "$@"
}

# plain COMMAND...: a proxy of clear text, its events in events.jsonl
plain() {
    "$BATS_TEST_DIRNAME/origin.py" >asked 2>asked.err &
    started+=($!)
    wait_for asked .
    in_background events.jsonl "$@" proxy --json --listen \
        "127.0.0.1:0=http://127.0.0.1:$(head -1 asked)" "${options[@]}"
    proxy_pid=${started[-1]}
    url=http://127.0.0.1:$(port_of events.jsonl)
}

get() { # N: so many requests, of which each is answered
    local i
    for i in $(seq "$1"); do
        curl -sS -m 10 -o /dev/null "$url/bytes?$i"
    done
}

# ends CODE SENTENCE: the proxy's exit code, and what it says
ends() {
    local code=0
    kill -TERM "$proxy_pid"
    wait "$proxy_pid" || code=$?
    cat events.jsonl.err
    [ "$code" = "$1" ]
    [ "$(grep -c -- "$2" events.jsonl.err)" = 1 ]
    ! grep -qi 'sanitizer' events.jsonl.err
}

@test "events that find no room are told once, at the end" {
    options=()
    plain limited 2 "$MITMLAB"
    get 20
    ends 3 'not all events could be written: File too large'
}

@test "lines that find no room are told at once, and the traffic goes on" {
    "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream http://127.0.0.1:9 \
        >/dev/full 2>events.jsonl.err &
    started+=($!)
    proxy_pid=$!
    wait_for events.jsonl.err 'Listening at'
    url=http://$(sed -n 's/^Listening at \([^ ]*\) .*/\1/p' events.jsonl.err)
    get 1
    wait_for events.jsonl.err 'standard output: No space left'
    get 1
    ends 3 'not all lines could be written'
}

@test "--keylog: a full disk is told at once and at the end, TLS goes on" {
    tls_server
    tls_proxy --keylog /dev/full
    visit
    grep -q 'HTTP/1.0 200' visit.log
    visit
    grep -q 'HTTP/1.0 200' visit.log
    wait_for events.jsonl.err 'secrets cannot be written to /dev/full'
    ends 3 'the key log /dev/full is not complete: .* lines .*: No space left'
    [ "$(grep -c 'cannot be written' events.jsonl.err)" = 1 ]
}

@test "-w: a capture that may not grow ends at a whole block" {
    options=(-w out.pcapng)
    # The events are in a file, too; they are not what is tried.
    plain limited 8 env MITMLAB_EVENTS_FD= "$MITMLAB"
    get 20
    ends 3 'capture incomplete after packet [0-9]* (disk full)'
    run -0 "$MITMLAB" inspect -r out.pcapng
}

@test "--har: events that cannot be kept until the end are missed" {
    options=(--har out.har)
    plain limited 8 "$MITMLAB"
    get 40
    ends 3 'out.har is not complete: .*File too large'
}

@test "--har: a folder that went away, and a disk that is full at the end" {
    mkdir gone
    options=(--har gone/out.har)
    plain "$MITMLAB"
    get 1
    rmdir gone
    ends 3 '--har gone/out.har: open the folder .*: No such file'
    unshare -Urm true || lacks 'mounts of its own'
    mkdir small
    echo old >small.old
    options=(--har small/out.har)
    plain unshare -Urm sh -c 'mount -t tmpfs -o size=8k none small &&
        cp small.old small/out.har && exec "$@"' sh "$MITMLAB"
    get 10
    ends 3 '--har small/out.har: write out.har; the old one is kept: No space'
}

@test "what cannot be written is refused at the start" {
    command -v mkfifo >/dev/null || lacks mkfifo
    local -a start=(timeout -s KILL 20 "$MITMLAB" proxy --listen 127.0.0.1:0)
    mkfifo fifo
    mkdir folder
    for bad in nowhere/out.har /proc/out.har \
        "$(printf 'n%.0s' $(seq 300))"; do
        run -4 "${start[@]}" --har "$bad"
        [[ $output == *"$bad"* ]]
    done
    for bad in fifo folder folder/; do
        run -2 "${start[@]}" --har "$bad"
        [[ $output == *"--har wants a file"* ]]
    done
    run -4 "${start[@]}" -w nowhere/out.pcapng
    run -4 "${start[@]}" --keylog nowhere/keys.log
    for bad in fifo folder; do
        run -2 "${start[@]}" -w "$bad"
        [[ $output == *"a capture wants a file"* ]]
    done
    [ -p fifo ] && [ -d folder ]
    [ -z "$(ls -A folder)" ]
    # What is in the way is no hindrance, and stays as it is until the end.
    echo old >out.har
    options=(--har out.har)
    plain "$MITMLAB"
    [ "$(cat out.har)" = old ]
    get 1
    kill -TERM "$proxy_pid"
    wait "$proxy_pid"
    grep -q '"version": "1.2"' out.har
    [ "$(ls -A | grep -c 'out.har')" = 1 ]
}
