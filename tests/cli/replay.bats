#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab replay: what was recorded is asked again; and the attack of that name,
# which answers from a recording.

bats_require_minimum_version 1.5.0
load common

setup() {
    command -v curl >/dev/null || lacks curl
    cd "$BATS_TEST_TMPDIR"
    started=()
    "$BATS_TEST_DIRNAME/origin.py" >asked 2>asked.err &
    started+=($!)
    wait_for asked .
    origin=$(head -1 asked)
    url=http://127.0.0.1:$origin
    cat >old.har <<JSON
{"log":{"version":"1.2","entries":[
 {"time":3,"comment":"first","request":{"method":"GET","url":"http://bank.lab.test/a?x=1",
   "headers":[{"name":"Host","value":"bank.lab.test"},{"name":"X-Kept","value":"caf\u00e9"}],"bodySize":0},
  "response":{"status":200,"statusText":"OK","headers":[{"name":"Content-Type","value":"text/html"},
   {"name":"X-Gone","value":"1"}],"content":{"size":5,"text":"hello"}}},
 {"time":3,"request":{"method":"POST","url":"http://bank.lab.test/pay","headers":[
   {"name":":authority","value":"bank.lab.test"},{"name":"content-length","value":"99"}],
   "bodySize":8,"postData":{"mimeType":"text/plain","text":"to=alice"}},
  "response":{"status":404,"statusText":"Not Found","headers":[],"content":{"size":3,"text":"AAEC","encoding":"base64"}}},
 {"time":3,"request":{"method":"PUT","url":"http://bank.lab.test/cut","headers":[],
   "bodySize":9000,"postData":{"mimeType":"text/plain","text":"only the beginning"}},
  "response":{"status":200,"statusText":"OK","headers":[],"content":{"size":9000,"text":"only"}}},
 {"time":3,"request":{"method":"GET","url":"http://bank.lab.test/a?x=1","headers":[],"bodySize":0},
  "response":{"status":200,"statusText":"OK","headers":[],"content":{"size":6,"text":"second"}}}
]}}
JSON
}

@test "without --to the recorded flows are listed" {
    run -0 "$MITMLAB" replay old.har
    [ "${lines[0]}" = "1  GET http://bank.lab.test/a?x=1 -> 200, 5 bytes  (first)" ]
    [ "${lines[1]}" = "2  POST http://bank.lab.test/pay -> 404, 3 bytes" ]
    [ "${lines[2]}" = "3  PUT http://bank.lab.test/cut -> 200, 4 bytes  (request cut)" ]
    [ "${#lines[@]}" = 4 ]
    run -0 "$MITMLAB" replay old.har --filter 'method == POST'
    [ "${#lines[@]}" = 1 ]
    run -0 "$MITMLAB" replay old.har --flow 1 --flow 4
    [ "${#lines[@]}" = 2 ]
    [ "$(wc -l <asked)" = 1 ]
}

@test "what was recorded is asked again, and the difference is told" {
    run -0 --separate-stderr "$MITMLAB" replay old.har --to "$url"
    [[ $stderr == *"flow 3 is left out: only the first 18 bytes (of 9000) of its body were recorded; 'mitmlab proxy --keep-bodies KIB'"* ]]
    [[ ${lines[0]} == "1  GET http://bank.lab.test/a?x=1: was 200, is 200, "* ]]
    [[ $output == *"- X-Gone: 1"* ]]
    [[ $output == *"- Content-Type: text/html"* ]]
    [[ $output == *"+ Content-Type: text/plain"* ]]
    [[ $output == *" was 5; different from byte 1 on"* ]]
    [[ $output == *"2  POST http://bank.lab.test/pay: was 404, is 200"* ]]
    [ "$(sed -n 2,9p asked)" = "GET /a?x=1 HTTP/1.1
POST /pay HTTP/1.1
GET /a?x=1 HTTP/1.1" ]
}

@test "requests are changed first, if that is wanted" {
    run -0 "$MITMLAB" replay old.har --to "$url" --flow 2 --json \
        --do 'set path /give' --do 'replace body alice mallory'
    [[ $output == *'"recorded":{"status":404,"bytes":3},"now":{"status":200,'*'"same":false'* ]]
    [ "$(sed -n 2,9p asked)" = "POST /give HTTP/1.1" ]
    run -2 "$MITMLAB" replay old.har --to "$url" --do 'answer 404'
    run -2 "$MITMLAB" replay old.har --to "$url" --do 'set status 404'
    [[ $output == *"responses only"* ]]
}

@test "nothing is sent outside of the walls, and mistakes are named" {
    run -6 "$MITMLAB" replay old.har --to http://192.0.2.1
    run -6 "$MITMLAB" replay old.har --to http://example.com
    run -2 "$MITMLAB" replay old.har --to ftp://127.0.0.1
    run -2 "$MITMLAB" replay old.har --to tcp://127.0.0.1:1
    run -2 "$MITMLAB" replay
    run -4 "$MITMLAB" replay none.har
    run -2 "$MITMLAB" replay old.har --flow 9
    run -2 "$MITMLAB" replay old.har --filter 'hots ~ a'
    run -2 "$MITMLAB" replay old.har --filter 'method == PATCH'
    [[ $output == *"none of the 4"* ]]
    echo '{"log":' >bad.har
    run -2 "$MITMLAB" replay bad.har
    [[ $output == *"bad.har is no HAR file"*line* ]]
    echo '{}' >bad.har
    run -2 "$MITMLAB" replay bad.har
    echo '{"log":{"entries":[7,{"request":{"headers":[1,{}]},"response":[]}]}}' >odd.har
    run -0 "$MITMLAB" replay odd.har
}

@test "a recording answers in the server's place" {
    "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream "$url" --json \
        --attack replay,file=old.har >events 2>events.err &
    started+=($!)
    wait_for events '"kind":"ready"'
    proxy=http://127.0.0.1:$(sed -n '1s/.*"listen":\["[^"]*:\([0-9]*\)".*/\1/p' events)
    run -0 curl -sS -m 5 -i "$proxy/a?x=1"
    [[ $output == *"X-Gone: 1"*hello ]]
    run -0 curl -sS -m 5 "$proxy/a?x=1" "$proxy/a?x=1"
    [ "$output" = "secondsecond" ]
    run -0 curl -sS -m 5 -o body -w '%{http_code}' -d to=alice "$proxy/pay"
    [ "$output" = 404 ]
    printf '\0\1\2' | cmp - body
    run -0 curl -sS -m 5 -d to=bob "$proxy/pay"
    [[ $output == *"POST /pay"*to=bob ]]
    [ "$(tail -n +2 asked)" = "POST /pay HTTP/1.1" ]
}

# over_tls: an origin with a certificate of the lab's CA, its port in $secure
over_tls() {
    "$MITMLAB" cert make c00 --out c >/dev/null
    echo '127.0.0.1 bank.lab.test' >hosts
    "$BATS_TEST_DIRNAME/origin.py" c/server.crt c/server.key >secure 2>secure.err &
    started+=($!)
    wait_for secure .
    secure=$(head -1 secure)
}

@test "over https, with a server that is verified or is not" {
    over_tls
    to=https://bank.lab.test:$secure
    run -0 "$MITMLAB" replay old.har --flow 2 --to "$to" --hosts hosts \
        --ca c/trust.pem
    [[ $output == *"POST http://bank.lab.test/pay: was 404, is 200"* ]]
    [ "$(tail -1 secure)" = "POST /pay HTTP/1.1" ]
    # Nobody verifies without --ca; somebody else's CA is not the server's.
    run -0 "$MITMLAB" replay old.har --flow 2 --to "$to" --hosts hosts
    "$MITMLAB" cert make c00 --out other >/dev/null
    run ! "$MITMLAB" replay old.har --flow 2 --to "$to" --hosts hosts \
        --ca other/trust.pem
    [[ $output == *"TLS with bank.lab.test"*"certificate verify failed"* ]]
    echo '127.0.0.1 shop.lab.test' >hosts
    run ! "$MITMLAB" replay old.har --flow 2 --hosts hosts --ca c/trust.pem \
        --to "https://shop.lab.test:$secure"
    [[ $output == *"TLS with shop.lab.test"* ]]
    run ! "$MITMLAB" replay old.har --flow 2 --to "https://127.0.0.1:$origin"
    [ "$(grep -c POST secure)" = 2 ]
}

@test "what was recorded over HTTP/2 and TLS is asked again over https" {
    command -v nghttp >/dev/null || lacks nghttp
    over_tls
    in_background events "$MITMLAB" proxy --json --har new.har --http2 victim \
        --listen "127.0.0.1:0=https://bank.lab.test:$secure" --hosts hosts \
        --ca c/rogue --upstream-ca c/trust.pem
    run -0 nghttp -n --no-dep -H ':authority: bank.lab.test' \
        "https://127.0.0.1:$(port_of events)/gzip" \
        "https://127.0.0.1:$(port_of events)/one"
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
    run -0 "$MITMLAB" replay new.har
    [ "${#lines[@]}" = 2 ]
    [[ $output == *"GET https://bank.lab.test/gzip -> 200, 360 bytes"* ]]
    run -0 "$MITMLAB" replay new.har --to "https://bank.lab.test:$secure" \
        --hosts hosts --ca c/trust.pem --filter 'path == /gzip'
    [[ $output == *"/gzip: was 200, is 200, 360 bytes"* ]]
    [ "$(tail -1 secure)" = "GET /gzip HTTP/1.1" ]
}

@test "--times asks again and again" {
    run -0 "$MITMLAB" replay old.har --to "$url" --flow 1 --times 3
    [ "$(grep -c 'is 200' <<<"$output")" = 3 ]
    [ "$(grep -c 'GET /a?x=1' asked)" = 3 ]
    run -0 "$MITMLAB" replay old.har --to "$url" --flow 1 --times 2 --json
    [ "$(grep -o '"number":1' <<<"$output" | wc -l)" = 2 ]
    run -2 "$MITMLAB" replay old.har --to "$url" --times 0
    [[ $output == *"--times wants"* ]]
}

@test "a capture and its events are replayed like the HAR of the same traffic" {
    in_background events.jsonl "$MITMLAB" proxy --json -w seen.pcapng \
        --har seen.har --listen "127.0.0.1:0=$url"
    for path in /a?x=1 /bytes; do
        curl -sS -m 10 -o /dev/null -d "to=$path" \
            "http://127.0.0.1:$(port_of events.jsonl)$path"
    done
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
    run -0 "$MITMLAB" replay seen.har
    [ "${#lines[@]}" = 2 ]
    listed=$output
    for file in seen.pcapng events.jsonl; do
        run -0 "$MITMLAB" replay "$file"
        [ "$output" = "$listed" ]
    done
    mkdir run
    cp events.jsonl run
    run -0 "$MITMLAB" replay run
    [ "$output" = "$listed" ]
    run -0 "$MITMLAB" replay seen.pcapng --to "$url" --flow 2
    [[ $output == *"the same as recorded"* ]]
    [ "$(tail -1 asked)" = "POST /bytes HTTP/1.1" ]
    # The attack of that name is given a HAR.
    run -2 "$MITMLAB" proxy --listen "127.0.0.1:0=$url" \
        --attack replay,file=seen.pcapng
    [[ $output == *"is a capture, and a HAR is wanted"*"--har"* ]]
}

@test "what holds no requests is refused with what would" {
    head -c 999 /dev/urandom | sed 's/^/x/' >noise
    run -2 "$MITMLAB" replay noise
    [[ $output == *"noise is nothing that replay reads: a HAR, a capture"* ]]
    command -v editcap >/dev/null || lacks editcap
    in_background events "$MITMLAB" proxy --json -w seen.pcapng \
        --listen "127.0.0.1:0=$url"
    curl -sS -m 10 -o /dev/null "http://127.0.0.1:$(port_of events)/"
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
    editcap -F pcap seen.pcapng old.pcap
    editcap -F pcapng old.pcap foreign.pcapng
    run -2 "$MITMLAB" replay foreign.pcapng
    [[ $output == *"none of our events"*"a HAR, a capture of 'mitmlab proxy -w'"* ]]
}

@test "a long request is replayed if enough of it was kept, else it is said" {
    head -c 150000 /dev/zero | tr '\0' z >long
    for kept in 200 ''; do
        in_background events "$MITMLAB" proxy --json --har long.har \
            ${kept:+--keep-bodies "$kept"} --listen "127.0.0.1:0=$url"
        curl -sS -m 10 -o /dev/null --data-binary @long \
            "http://127.0.0.1:$(port_of events)/bytes"
        kill -TERM "${started[-1]}"
        wait "${started[-1]}"
        run -0 "$MITMLAB" replay long.har --to "$url"
        if [ "$kept" ]; then
            [[ $output == *"the same as recorded"* ]]
        else
            [[ $output == *"only the first 65536 bytes (of 150000) of its body"* ]]
        fi
    done
    [ "$(grep -c 'POST /bytes' asked)" = 3 ]
}
