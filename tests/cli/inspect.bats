#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab inspect: run folders, lists of events, other people's captures,
# broken files; on narrow terminals, as JSON, and for tshark.

bats_require_minimum_version 1.5.0
load common

setup() {
    cd "$BATS_TEST_TMPDIR"
    FIXTURE=$BATS_TEST_DIRNAME/../labs/fixture/90-a-small-lab
    started=()
}

# captured OPTION...: a proxy with -w out.pcapng and its events before $origin
captured() {
    "$BATS_TEST_DIRNAME/origin.py" >asked 2>asked.err &
    started+=($!)
    wait_for asked .
    in_background events.jsonl "$MITMLAB" proxy --json -w out.pcapng \
        --listen "127.0.0.1:0=http://127.0.0.1:$(head -1 asked)" "$@"
    proxy=${started[-1]}
    url=http://127.0.0.1:$(port_of events.jsonl)
}

finish() {
    kill -TERM "$proxy"
    wait "$proxy"
}

@test "the folder of a run, and its events alone, tell the same" {
    run -0 "$MITMLAB" run "$FIXTURE" --bare --no-input --out run
    run -0 "$MITMLAB" inspect -r run
    folder=$output
    [[ $folder == *"GET /"* ]]
    [[ $folder == *" packets"* ]]
    cp run/events.jsonl alone.jsonl
    run -0 "$MITMLAB" inspect -r alone.jsonl
    [ "$(grep -c '^flow' <<<"$output")" = "$(grep -c '^flow' <<<"$folder")" ]
    [[ $output != *" packets"* ]]
    run -0 --separate-stderr "$MITMLAB" inspect run --json
    [ "$(jq '.flows | length' <<<"$output")" = "$(grep -c '^flow' <<<"$folder")" ]
    [ "$(jq -r .whole <<<"$output")" = true ]
}

@test "events that are damaged are counted, and the rest is told, exit 3" {
    captured
    curl -sS -m 10 -o /dev/null "$url/a"
    finish
    { cat events.jsonl; echo '{"kind":'; echo 'nonsense'; } >damaged.jsonl
    run -3 "$MITMLAB" inspect -r damaged.jsonl
    [[ $output == *"2 lines of events.jsonl cannot be read"* ]]
    [[ $output == *"GET /a"* ]]
    : >empty
    run -2 "$MITMLAB" inspect -r empty
    mkdir nothing
    run -2 "$MITMLAB" inspect -r nothing
    head -c 4096 /dev/urandom | sed 's/^/x/' >noise
    run -2 "$MITMLAB" inspect -r noise
    [[ $output == *"neither"* ]]
}

@test "a classic pcap is named, with the command that makes a pcapng of it" {
    command -v editcap >/dev/null || lacks editcap
    captured
    curl -sS -m 10 -o /dev/null "$url/a"
    finish
    editcap -F pcap out.pcapng old.pcap 2>/dev/null ||
        tshark -r out.pcapng -F pcap -w old.pcap 2>/dev/null
    run -2 "$MITMLAB" inspect -r old.pcap
    [[ $output == *"classic pcap"*"editcap -F pcapng old.pcap NEW.pcapng"* ]]
    editcap -F pcapng old.pcap NEW.pcapng
    run -0 "$MITMLAB" inspect -r NEW.pcapng
    [[ $output == *"no events of ours"* ]]
    [[ $output == *"GET /a"*"200 OK"* ]]
}

@test "the filters and frames that are printed are those of tshark" {
    command -v tshark >/dev/null || lacks tshark
    captured
    curl -sS -m 10 -o /dev/null "$url/first"
    curl -sS -m 10 -o /dev/null "$url/second"
    finish
    run -0 "$MITMLAB" inspect -r out.pcapng --filter 'path == /second'
    [ "$(grep -c '^flow' <<<"$output")" = 1 ]
    filter=$(sed -n 's/^  filter //p' <<<"$output")
    frame=$(sed -n 's/^ *\([0-9]*\)  victim .*GET .*second.*/\1/p' <<<"$output")
    run -0 --separate-stderr tshark -r out.pcapng -Y "http.request && ($filter)" -T fields \
        -e http.request.uri
    [ "$(sort -u <<<"$output")" = /second ]
    run -0 --separate-stderr tshark -r out.pcapng -Y "frame.number == $frame" -T fields \
        -e http.request.uri
    [ "$output" = /second ]
    run -0 --separate-stderr "$MITMLAB" inspect -r out.pcapng --json
    [ "$(jq -r '.flows[1].filter' <<<"$output")" = "$filter" ]
}

@test "WebSockets are told in words, and filters look into them" {
    command -v python3 >/dev/null || lacks python3
    "$BATS_TEST_DIRNAME/websocket.py" serve >port 2>port.err &
    started+=($!)
    wait_for port .
    captured --listen "127.0.0.1:0=http://127.0.0.1:$(cat port)"
    run -0 "$BATS_TEST_DIRNAME/websocket.py" visit "$(port_of events.jsonl 2)" \
        "$(printf 'a\033[2J')"
    curl -sS -m 10 -o /dev/null "$url/a"
    finish
    run -0 "$MITMLAB" inspect -r out.pcapng
    [[ $output == *'ws text to server, 5 bytes: a\x1b[2J'* ]]
    [[ $output == *"ws text to victim, 11 bytes: heard a"* ]]
    run -0 "$MITMLAB" inspect -r out.pcapng --filter 'kind == ws && body contains heard'
    [[ $output == *"1 flow of 2"* ]]
    run -0 "$MITMLAB" inspect -r out.pcapng --filter 'kind == ws && body contains other'
    [[ $output == *"0 flows of 2"* ]]
}

@test "text fits 40 and 80 columns" {
    captured
    curl -sS -m 10 -o /dev/null "$url/gzip"
    finish
    for columns in 40 80; do
        COLUMNS=$columns run -0 "$MITMLAB" inspect -v out.pcapng
        run ! grep -E "^.{$((columns + 1))}" <<<"$output"
        [ -z "$output" ]
    done
}

@test "a HAR is told flow by flow, and what it does not hold is said" {
    captured --har out.har
    curl -sS -m 10 -o /dev/null "$url/a?x=1"
    printf '\0\1\377' | curl -sS -m 10 -o /dev/null --data-binary @- "$url/raw"
    finish
    run -0 --separate-stderr "$MITMLAB" inspect -r out.har
    [[ $stderr == *"out.har is a HAR"*"mitmlab replay"* ]]
    [[ $output == *"flow 1"*"to 127.0.0.1:"*"GET /a?x=1"*"200 OK"* ]]
    [[ $output == *'POST /raw: \0\x01\xff'* ]]
    [[ $output == *"2 flows"* ]]
    run ! grep changed <<<"$output"
    run -0 "$MITMLAB" inspect -r out.har --filter 'method == POST'
    [[ $output == *"1 flow of 2"* ]]
    run -0 --separate-stderr "$MITMLAB" inspect -r out.har --json
    [ "$(jq -c '[.events, (.flows | length), .flows[0].requests[0].host]' \
        <<<"$output")" = "[false,2,\"${url#http://}\"]" ]
}

@test "what rules did is said in words, in captures and in a HAR" {
    captured --har out.har --rule 'path == /a : replace body alice mallory'
    curl -sS -m 10 -o /dev/null -d alice "$url/a"
    finish
    run -0 "$MITMLAB" inspect -r out.pcapng
    [[ $output == *"rule 1: path == /a : replace body alice mallory"* ]]
    [[ $output != *rule.acted* ]]
    run -0 "$MITMLAB" inspect -r out.har
    [[ $output == *"POST /a: alice"*"POST /a: mallory - changed"* ]]
    command -v tshark >/dev/null || lacks tshark
    run -0 --separate-stderr tshark -r out.pcapng -T fields -e frame.comment \
        -Y 'frame.comment contains "rule 1: path"'
    [[ $output == *"mitmlab: rule 1: path == /a"* ]]
}

@test "other people's HAR, and what is none" {
    cat >other.har <<'JSON'
{
  "log": {"version": "1.2", "entries": [
    {"startedDateTime": "2026-10-21T09:28:00.5+02:00", "time": 250,
     "request": {"method": "GET", "url": "https://shop.lab.test/basket", "headers": []},
     "response": {"status": 200, "statusText": "OK", "headers": [],
       "content": {"size": 5, "text": "aGVsbG8=", "encoding": "base64"}}},
    {"request": {"method": "GET", "url": "wss://shop.lab.test/chat", "headers": [1, {}]},
     "response": {"status": 101, "statusText": "", "headers": []},
     "_webSocketMessages": [{"type": "send", "opcode": 1, "data": "hi", "time": 1},
       {"type": "receive", "opcode": 8, "data": "A+hieWU=", "time": 2}]},
    {"request": {"url": 7}, "response": {"status": 0}}, 9
  ]}
}
JSON
    run -0 --separate-stderr "$MITMLAB" inspect -r other.har
    [[ $output == *"shop.lab.test, in TLS"*"GET /basket"*"200 OK: hello"* ]]
    [[ $output == *"ws text to server, 2 bytes: hi"* ]]
    [[ $output == *"ws close to victim, 5 bytes: "*bye* ]]
    [[ $output == *"4 flows"* ]]
    run -0 "$MITMLAB" inspect -r other.har --filter 'tls && path == /basket && time == 250'
    [[ $output == *"1 flow of 4"* ]]
    echo '{"log": {"entries": 7}}' >bad.har
    run -2 "$MITMLAB" inspect -r bad.har
    [[ $output == *"bad.har is no HAR file: it has no log.entries"* ]]
    echo '{"log": {"entries": [' >bad.har
    run -2 "$MITMLAB" inspect -r bad.har
    [[ $output == *"bad.har is no HAR file"*line* ]]
}
