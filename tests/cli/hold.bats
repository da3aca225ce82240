#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab proxy --hold: a real curl waits while somebody looks, edits, and lets
# go: by `mitmlab hold` from a script, and at the proxy's own terminal.

bats_require_minimum_version 1.5.0
load common

setup() {
    command -v curl >/dev/null || lacks curl
    cd "$BATS_TEST_TMPDIR"
    mkdir -m 700 run
    export XDG_RUNTIME_DIR="$PWD/run" EDITOR='sed -i s/alice/mallory/'
    unset VISUAL
    started=()
    "$BATS_TEST_DIRNAME/origin.py" >asked 2>asked.err &
    started+=($!)
    wait_for asked .
    origin=$(head -1 asked)
}

proxy() { # OPTION...: started, its address in $url
    rm -f events
    "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$origin" \
        --json "$@" >events 2>events.err &
    last=$!
    started+=("$last")
    wait_for events '"kind":"ready"' || { cat events.err; return 1; }
    url=http://127.0.0.1:$(sed -n '1s/.*"listen":\["[^"]*:\([0-9]*\)".*/\1/p' events)
}

ask() { # FILE CURL-OPTION...: in the background
    local file=$1
    shift
    curl -sS -m 20 "$@" >"$file" 2>"$file.err" &
    asker=$!
    started+=("$asker")
}

held() { # NUMBER: wait until it is held
    wait_for events "\"kind\":\"flow.held\".*\"number\":$1,\"what\":\"held\""
}

@test "at 40 columns what is said of held messages is broken between words" {
    NO_COLOR=1 run -0 "$BATS_TEST_DIRNAME/window.py" 40 "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$origin" \
        --hold method -- took ^C
    [[ $output == *"Held messages are listed here; 'help'"?*"says what to type."* ]]
    run ! grep -E '^.{42}' <<<"$output"
}

@test "a request waits, is seen, edited by commands, and goes on" {
    proxy --hold 'request && method == POST'
    curl -sS -m 5 "$url/passes" >/dev/null
    ask answer -d 'to=alice&amount=10' "$url/pay"
    held 1
    run -0 "$MITMLAB" hold
    [[ $output == "1  POST 127.0.0.1:"*"/pay  request, 18 bytes, for "*" s" ]]
    run -0 "$MITMLAB" hold show 1
    [ "${lines[0]}" = "POST /pay HTTP/1.1" ]
    [[ $output == *"Content-Length: 18"* ]]
    [ "${lines[-1]}" = "to=alice&amount=10" ]
    "$MITMLAB" hold set 1 header X-Held 'a "b" c'
    "$MITMLAB" hold replace 1 alice 'm & "n"'
    "$MITMLAB" hold replace 1 path /pay /give
    "$MITMLAB" hold remove 1 header User-Agent
    run -0 "$MITMLAB" hold list
    [[ $output == *", edited, for "* ]]
    run ! grep -q /pay asked
    "$MITMLAB" hold go 1
    wait "$asker"
    grep -q '^POST /give HTTP/1.1' answer
    grep -q '^X-Held: a "b" c' answer
    grep -q '^Content-Length: 20' answer
    run ! grep -q User-Agent answer
    [ "$(tail -1 answer)" = 'to=m & "n"&amount=10' ]
    run -0 "$MITMLAB" hold
    [ "$output" = "nothing is held" ]
}

@test "the editor edits, on the terminal of whoever calls it" {
    proxy --hold request
    ask answer -d 'to=alice&amount=10' "$url/pay?for=alice"
    held 1
    "$MITMLAB" hold edit 1
    EDITOR=false run -2 "$MITMLAB" hold edit 7
    [[ $output == *"number 7 is not held"* ]]
    EDITOR=false run -4 "$MITMLAB" hold edit 1
    [[ $output == *"nothing is changed"* ]]
    EDITOR='sed -i 1s/.*/nonsense/' run -2 "$MITMLAB" hold edit 1
    [[ $output == *"line 1"* ]]
    "$MITMLAB" hold go all
    wait "$asker"
    grep -q '^POST /pay?for=mallory' answer
    [ "$(tail -1 answer)" = 'to=mallory&amount=10' ]
    [ -z "$(ls run/mitmlab-*/* | grep -v hold$)" ]
}

@test "responses wait, too, decoded, and leave coded" {
    proxy --hold 'response && type == text/html'
    ask answer --compressed -D head "$url/gzip"
    held 1
    run -0 "$MITMLAB" hold show 1
    [[ $output == *"the original text"* ]]
    "$MITMLAB" hold replace 1 original held
    "$MITMLAB" hold set 1 status 404
    "$MITMLAB" hold go 1
    wait "$asker"
    grep -q 'the held text' answer
    grep -q '404 Not Found' head
    grep -qi 'content-encoding: gzip' head
}

@test "drop resets, answer answers, and the filter can change" {
    proxy --hold request
    ask one "$url/1"
    held 1
    "$MITMLAB" hold drop 1
    rc=0
    wait "$asker" || rc=$?
    [ "$rc" = 56 ]
    ask two -w '%{http_code}' "$url/2"
    held 2
    "$MITMLAB" hold answer 2 404 'not here'
    wait "$asker"
    [ "$(cat two)" = "not here404" ]
    run -0 "$MITMLAB" hold filter
    [ "$output" = request ]
    "$MITMLAB" hold filter 'path == /stop && host ~ "[0-9]"'
    curl -sS -m 5 "$url/goes"
    ask three "$url/stop"
    held 3
    "$MITMLAB" hold filter off
    curl -sS -m 5 "$url/stop" >/dev/null
    "$MITMLAB" hold go 3
    wait "$asker"
    run ! grep -q -e '/1 ' -e '/2 ' asked
}

@test "a victim that gives up is told, and is gone from the list" {
    proxy --hold request
    seq 20000 >upload
    ask answer -m 1 --data-binary @upload "$url/pay"
    held 1
    rc=0
    wait "$asker" || rc=$?
    [ "$rc" = 28 ]
    wait_for events '"kind":"flow.held".*"number":1,"what":"gone"'
    run -0 "$MITMLAB" hold list
    [ "$output" = "nothing is held" ]
    run -2 "$MITMLAB" hold go 1
    [[ $output == *"number 1 is not held"* ]]
    curl -sS -m 1 "$url/again" || [ $? = 28 ]
}

@test "several workers hold at once, and a stop lets nobody wait" {
    proxy --hold request --workers 3
    for i in 1 2 3 4 5 6; do ask "answer$i" "$url/$i"; done
    held 6
    run -0 "$MITMLAB" hold list
    [ "${#lines[@]}" = 6 ]
    "$MITMLAB" hold go 2
    kill -TERM "$last"
    wait "$last"
    [ ! -e run/mitmlab-*/hold ]
}

@test "mistakes are named, and another proxy does not take the place" {
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --hold 'hots ~ a'
    [[ $output == *"did you mean host?"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --hold-at there
    run -4 "$MITMLAB" hold list
    [[ $output == *"no proxy holds anything"* ]]
    proxy --hold request
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --hold request
    [[ $output == *"another proxy holds"* ]]
    run -2 "$MITMLAB" hold shwo 1
    [[ $output == *"did you mean show?"* ]]
    run -2 "$MITMLAB" hold go
    [[ $output == *"a number is missing"* ]]
    ask answer "$url/a"
    held 1
    run -2 "$MITMLAB" hold set 1 status 404
    [[ $output == *"responses only"* ]]
    run -2 "$MITMLAB" hold filter 'a =='
    run -2 "$MITMLAB" hold set 1 header 'A B' c
    "$MITMLAB" hold go 1
    wait "$asker"
    chmod 755 run/mitmlab-*
    run -4 "$MITMLAB" hold list
    [[ $output == *"not a folder of yours alone"* ]]
}

@test "at the terminal of the proxy, a person types" {
    command -v python3 >/dev/null || lacks python3
    run -0 timeout 60 "$BATS_TEST_DIRNAME/hold_person.py" "$MITMLAB" "$origin"
    [[ $output == *"held 1  POST"*"request, 8 bytes"* ]]
    [[ $output == *"to=alice"* ]]
    [[ $output == *'no: no command "shwo" (did you mean show?)'* ]]
    grep -q '^POST /pay' asked
    [[ $output == *"the server got: to=mallory"* ]]
}
