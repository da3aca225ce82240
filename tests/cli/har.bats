#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab proxy --har: is what it leaves HAR 1.2, and is it true?

bats_require_minimum_version 1.5.0
load common

setup() {
    command -v curl >/dev/null || lacks curl
    command -v jq >/dev/null || lacks jq
    cd "$BATS_TEST_TMPDIR"
    started=()
    "$BATS_TEST_DIRNAME/origin.py" >asked 2>asked.err &
    started+=($!)
    wait_for asked .
}

# recorded OPTION...: a proxy before the origin, its address in $url
recorded() {
    in_background events "$MITMLAB" proxy --json --har out.har \
        --listen "127.0.0.1:0=http://127.0.0.1:$(head -1 asked)" "$@"
    proxy=${started[-1]}
    url=http://127.0.0.1:$(port_of events)
}

get() { # CURL-OPTION... URL
    curl -sS -m 10 -o /dev/null "$@"
}

# The proxy ends, and writes out.har; what is in it must be as HAR 1.2 says.
finish() {
    kill -TERM "$proxy"
    wait "$proxy"
    jq -e -f "$BATS_TEST_DIRNAME/har.jq" out.har
}

# entry PATH FILTER: what jq says of the only entry with this path
entry() {
    jq -cr "[.log.entries[] | select(.request.url | test(\"$1\"))]
        | if length == 1 then .[0] else error(\"not one: \" + tostring) end
        | $2" out.har
}

@test "queries, cookies, forms and redirects stand in their places" {
    recorded
    get -b 'k=v; l=w' "$url/a?x=1&y=b%20c+d&z"
    get -d 'a=1' --data-urlencode 'b=x & ü' "$url/form"
    get -L "$url/moved"
    get "$url/cookies"
    finish
    [ "$(entry '/a[?]' '.request.queryString|map([.name,.value])')" = \
        '[["x","1"],["y","b c d"],["z",""]]' ]
    [ "$(entry '/a[?]' '.request.cookies|map([.name,.value])')" = \
        '[["k","v"],["l","w"]]' ]
    [ "$(entry /form '.request.postData|[.mimeType,.text]')" = \
        '["application/x-www-form-urlencoded","a=1&b=x+%26+%C3%BC"]' ]
    [ "$(entry /form '.request.postData.params|map([.name,.value])')" = \
        '[["a","1"],["b","x & ü"]]' ]
    [ "$(entry /moved '.response|[.status,.redirectURL]')" = '[302,"/new"]' ]
    [ "$(entry /new '.response.status')" = 200 ]
    [ "$(entry /cookies '.response.cookies[0]')" = \
        '{"name":"session","value":"a=1","path":"/in","httpOnly":true,"expires":"2026-10-21T07:28:00.000Z"}' ]
    [ "$(entry /cookies '.response.cookies[1]')" = \
        '{"name":"lang","value":"de","secure":true,"sameSite":"Lax","domain":"lab.test"}' ]
}

@test "bodies are decoded, and those that are no text are base64" {
    command -v zstd >/dev/null || lacks zstd
    recorded
    get "$url/gzip" "$url/zstd" "$url/bytes" "$url/big"
    printf '\0\1\377' | get --data-binary @- "$url/raw"
    finish
    for name in gzip zstd; do
        [ "$(entry "/$name" '.response.content|[.size,.text[0:17],.encoding]')" \
            = '[360,"the original text",null]' ]
        [ "$(entry "/$name" '.response.content.compression > 300')" = true ]
    done
    entry /bytes .response.content.text | base64 -d >bytes
    [ "$(wc -c <bytes)" = 256 ]
    [ "$(entry /bytes .response.content.encoding)" = base64 ]
    [ "$(entry /big '.response.content|[.size,(.text|length),.comment]')" = \
        '[10485760,65536,"only the first bytes were kept"]' ]
    [ "$(entry /raw '.request|[.bodySize,.postData.text]')" = \
        '[3,"\u0000\u0001ÿ"]' ]
}

@test "what ends too soon is there, and says so" {
    recorded --rule 'path == /never : drop'
    get "$url/cut" || [ $? = 18 ]
    get -m 0.5 "$url/never" || [ $? = 28 ]
    finish
    [[ $(entry /cut .comment) == *"response cut short" ]]
    [ "$(entry /cut '.response|[.status,.content.text]')" = '[200,"only this"]' ]
    [[ $(entry /never .comment) == *"no response came" ]]
    [ "$(entry /never '.response|[.status,._error]')" = '[0,"no response came"]' ]
}

@test "an exchange that was changed on the way is two entries" {
    recorded --rule 'request && path == /a : set header X-Lab mark' \
        --rule 'response && path == /b : set body other'
    get "$url/a" "$url/b" "$url/c"
    finish
    [ "$(jq '.log.entries | length' out.har)" = 5 ]
    run -0 jq -r '.log.entries[] | select(.request.url | test("/a"))
        | [.comment, (.request.headers | any(.name == "X-Lab"))] | tostring' \
        out.har
    [ "${lines[0]}" = '["the victim'\''s conversation, seen at attacker",false]' ]
    [ "${lines[1]}" = '["the way to the server, seen at attacker; request changed",true]' ]
    run -0 jq -r '.log.entries[] | select(.request.url | test("/b"))
        | .response.content.text' out.har
    [ "${lines[0]}" = other ]
    [[ ${lines[1]} == "GET /b"* ]]
    # The address is that of the server, in the only entry there is.
    [ "$(entry /c .serverIPAddress)" = 127.0.0.1 ]
}

@test "time is given to who took it" {
    recorded --rule 'response && path == /slow : delay 300ms'
    get "$url/slow"
    get --limit-rate 4M "$url/big"
    finish
    [ "$(entry /slow '.timings.receive >= 290')" = true ]
    [ "$(entry /big '.timings.receive > 0')" = true ]
}

@test "a WebSocket is one entry, with its messages" {
    command -v python3 >/dev/null || lacks python3
    "$BATS_TEST_DIRNAME/websocket.py" serve >port 2>port.err &
    started+=($!)
    wait_for port .
    recorded --listen "127.0.0.1:0=http://127.0.0.1:$(cat port)"
    run -0 "$BATS_TEST_DIRNAME/websocket.py" visit "$(port_of events 2)" \
        hello hex:00ff split:abcdefghij
    finish
    [ "$(entry chat '[.request.url,.response.status,._resourceType]')" = \
        '["ws://bank.lab.test/chat?room=1",101,"websocket"]' ]
    [ "$(entry chat '._webSocketMessages|map([.type,.opcode,.data])')" = \
        '[["send",1,"hello"],["receive",1,"heard hello"],["send",2,"AP8="],["receive",2,"AP8="],["send",1,"abcdefghij"],["receive",1,"heard abcdefghij"],["send",8,"A+hieWU="],["receive",8,"A+hieWU="]]' ]
    [ "$(entry chat '.startedDateTime[0:19] | strptime("%Y-%m-%dT%H:%M:%S")
        | mktime - 1')" -lt "$(entry chat '._webSocketMessages[0].time|floor')" ]
}

@test "HTTP/2 finds its answers by their streams" {
    command -v nghttp >/dev/null || lacks nghttp
    recorded --http2 victim --rule 'response && path == /one : delay 300ms'
    run -0 nghttp -n --no-dep "$url/one" "$url/two"
    finish
    for name in one two; do
        [ "$(entry "/$name" '[.request.httpVersion,.response.httpVersion]')" = \
            '["HTTP/2","HTTP/2"]' ]
        [[ $(entry "/$name" .response.content.text) == "GET /$name "* ]]
    done
}

@test "forms with files are listed name by name" {
    recorded
    printf 'a\377b' >bytes.bin
    printf 'two\r\nlines' >text.txt
    get -F 'name=Kofi & Co' -F 'note=' -F 'up=@bytes.bin' \
        -F 'doc=@text.txt;type=text/plain' "$url/form"
    get -H 'Content-Type: multipart/form-data; boundary="x y"' --data-binary \
        $'--x y\r\nContent-Disposition: form-data; name=a\r\n\r\ncut off' "$url/short"
    get -H 'Content-Type: multipart/form-data; boundary=' -d '--' "$url/none"
    get -H 'Content-Type: multipart/form-data; boundary=x' -d '--x' "$url/end"
    finish
    [ "$(entry /form '.request.postData.params|map([.name,.value,.fileName,.contentType])')" = \
        '[["name","Kofi & Co",null,null],["note","",null,null],["up",null,"bytes.bin","application/octet-stream"],["doc","two\r\nlines","text.txt","text/plain"]]' ]
    [ "$(entry /form '.request.postData.params[2].comment')" = 'bytes, and no text' ]
    [ "$(entry /short '.request.postData.params')" = \
        '[{"name":"a","value":"cut off","comment":"only the first bytes were kept"}]' ]
    [ "$(entry /none '.request.postData.params')" = '[]' ]
    [ "$(entry /end '.request.postData.params')" = '[]' ]
}

@test "a message that was changed says by which rules, and in how many places" {
    recorded --rule 'request && path == /a : replace body alice mallory' \
        --rule 'response && path == /a : set header X-Lab yes' \
        --rule 'path == /own : answer 418 tea'
    get -d 'alice,alice' "$url/a"
    get "$url/own"
    get -d 'alice' "$url/b"
    finish
    run -0 jq -c '.log.entries[] | [.request._changed, .request._replacements,
        .request._rules, .response._changed, .response._rules]' out.har
    [ "${lines[0]}" = '[null,null,null,true,["response && path == /a : set header X-Lab yes"]]' ]
    [ "${lines[1]}" = '[true,2,["request && path == /a : replace body alice mallory"],null,null]' ]
    [ "${lines[2]}" = '[null,null,null,true,["path == /own : answer 418 tea"]]' ]
    [ "${lines[3]}" = '[null,null,null,null,null]' ]
}

@test "--keep-bodies says how much of each body is kept" {
    recorded --keep-bodies 256
    head -c 200000 /dev/zero | tr '\0' z >long
    get --data-binary @long "$url/long"
    finish
    [ "$(entry /long '[.request.bodySize,(.request.postData.text|length),.request.postData.comment]')" = \
        '[200000,200000,null]' ]
    recorded --keep-bodies 1
    get --data-binary @long "$url/long"
    finish
    [ "$(entry /long '[.request.bodySize,(.request.postData.text|length),.request.postData.comment]')" = \
        '[200000,1024,"only the first bytes were kept"]' ]
    for kib in -1 4097; do
        run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --keep-bodies "$kib"
        [[ $output == *"--keep-bodies wants"* ]]
    done
}
