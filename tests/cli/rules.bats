#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What rules make of traffic, between a real curl and a server that says what
# it was asked.

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
}

# proxy OPTION...: started, its address in $url
proxy() {
    rm -f events
    "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream "http://127.0.0.1:$origin" \
        --json "$@" >events 2>events.err &
    last=$!
    started+=("$last")
    wait_for events '"kind":"ready"' || { cat events.err; return 1; }
    url=http://127.0.0.1:$(sed -n '1s/.*"listen":\["[^"]*:\([0-9]*\)".*/\1/p' events)
}

get() { curl -sS -m 60 "$@"; }

@test "rules change requests and responses on their way" {
    proxy --rule 'request && header(Cookie) : replace header Cookie ~ "id=(\d+)" "id=9\1"' \
        --rule 'request && method == POST : replace body amount=10 amount=1000; set header X-Rule yes' \
        --rule 'path == /old : set path /new?x=1' \
        --rule 'response && type == text/plain : set status 203; remove header Server'
    run -0 get -i -b id=42 "$url/old"
    [[ $output == *"HTTP/1.1 203 Non-Authoritative Information"* ]]
    [[ $output == *"GET /new?x=1 HTTP/1.1"* ]]
    [[ $output == *"Cookie: id=942"* ]]
    [[ $output != *"Server:"* ]]
    run -0 get -d 'to=a&amount=10' "$url/pay"
    [[ $output == *"X-Rule: yes"* ]]
    [[ $output == *"Content-Length: 16"* ]]
    [[ $output == *"to=a&amount=1000" ]]
    grep -q '"kind":"rule.acted".*"rule":2' events
    grep -q '"kind":"attack.changed".*"before":".*amount=10"' events
}

@test "the server is not asked where a rule answers, and the connection goes on" {
    echo '<p>page' >page.html
    proxy --rule 'path == /a : answer 418 "no coffee"' \
        --rule 'path == /b : answer 204' --rule 'path == /c : answer 200 @page.html'
    run -0 get -w ' %{http_code} %{content_type} %{num_connects}\n' \
        "$url/a" -d body "$url/b" "$url/c" "$url/d"
    [ "${lines[0]}" = "no coffee 418 text/plain; charset=utf-8 1" ]
    [ "${lines[1]}" = " 204  0" ]
    [ "${lines[2]}" = "<p>page" ]
    [ "${lines[3]}" = " 200 text/html; charset=utf-8 0" ]
    [[ ${lines[4]} == "POST /d HTTP/1.1" ]]
    [ "$(tail -n +2 asked)" = "POST /d HTTP/1.1" ]
    run -0 get -I "$url/a"
    [[ $output == *418* ]]
}

@test "a folder is given in the server's place, and nothing outside of it" {
    mkdir www
    echo '{"a":1}' >www/data.json
    echo secret >secret
    ln -s ../secret www/link
    proxy --rule 'path ~ "^/" : map www'
    run -0 get -w '%{http_code} %{content_type}' "$url/data.json"
    [ "${lines[0]}" = '{"a":1}' ]
    [ "${lines[1]}" = '200 application/json' ]
    for path in /none /link /../secret /%2e%2e/secret /..%2fsecret; do
        run -0 get --path-as-is "$url$path" -w ' %{http_code}'
        [[ $output != *secret* ]]
        [[ $output == *40[34] ]]
    done
    [ "$(wc -l <asked)" = 1 ]
}

@test "delay, drop and abort" {
    proxy --rule 'path == /late : delay 300ms' --rule 'path == /gone : drop' \
        --rule 'path == /cut : abort' --rule 'path == /slow && response : delay 300'
    run -0 get -o body -w '%{time_total}' "$url/late"
    # asked and answered: twice
    [[ $output > 0.6 && $output < 50 ]]
    run -0 get -o body -w '%{time_total}' "$url/slow"
    [[ $output > 0.3 && $output < 50 ]]
    run -28 curl -sS -m 1 "$url/gone"
    run -56 get "$url/cut"
    [[ $output == *reset* ]]
    run -0 get "$url/other"
    ! grep -q -e gone -e cut asked
}

@test "codings are taken off and put on again" {
    for coding in gzip deflate zstd; do
        command -v zstd >/dev/null || [ "$coding" != zstd ] || lacks zstd
        proxy --rule 'type == text/html : replace body original changed'
        run -0 get --compressed "$url/$coding"
        [[ $output == "the changed text the changed text"* ]]
        run -0 get --compressed -o body -w '%header{content-encoding}' "$url/$coding"
        [ "$output" = "$coding" ]
        kill "$last"
        wait "$last" || true
    done
}

peak() { # of the proxy's memory, in KiB
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$last/status"
}

@test "a bomb passes unopened" {
    proxy --rule 'response : replace body 0 1'
    before=$(peak)
    run -0 get -o bomb -w '%{http_code} %header{content-encoding}' "$url/bomb"
    [ "$output" = "200 gzip" ]
    [ "$(gzip -dc bomb | wc -c)" = 268435456 ]
    # Opened and closed again it would be other bytes.
    run -0 get -o direct "http://127.0.0.1:$origin/bomb"
    cmp direct bomb
    [ "$(($(peak) - before))" -lt 64000 ]
}

@test "what no rule touches streams: ten megabytes need no memory" {
    proxy --rule 'path == /other : replace body 0 1' --body 65536
    before=$(peak)
    run -0 get -o big -w '%{size_download}' "$url/big"
    [ "$output" = 10485760 ]
    [ "$(($(peak) - before))" -lt 8000 ]
}

@test "--strip-alt-svc takes the word of HTTP/3 away" {
    proxy
    run -0 get -i "$url/alt"
    [[ $output == *Alt-Svc* ]]
    proxy --strip-alt-svc
    run -0 get -i "$url/alt"
    [[ $output != *Alt-Svc* ]]
}

@test "rules stand in a file, and mistakes in it have a line and a column" {
    printf '# what to do\n\npath == /a : answer 404\n' >good
    proxy --rules good --rule 'path == /b : answer 410'
    run -0 get -o body -w '%{http_code} ' "$url/a"
    [ "$output" = "404 " ]
    run -0 get -o body -w '%{http_code} ' "$url/b"
    [ "$output" = "410 " ]
    printf '# what to do\n\npath == /a : answr 404\n' >bad
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --rules bad
    [[ $output == *"bad:3: rule, column 14"*"did you mean answer?"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --rule 'hots ~ a : drop'
    [[ $output == *"column 1"*"did you mean host?"* ]]
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --rules none
}

@test "a script answers, lets wait, resets, and sees the whole flow" {
    cat >whole.lua <<'LUA'
function on_request(flow)
  if flow.path == "/a" then
    flow:answer(403, "no " .. flow.method, { ["X-From"] = flow.host })
  elseif flow.path == "/late" then
    flow:delay(300)
  elseif flow.path == "/cut" then
    flow:abort()
  elseif flow.path == "/gone" then
    flow:drop()
  elseif flow.path == "/old" then
    flow.path = "/new"
  end
end
function on_response(flow)
  local names = {}
  for name in pairs(flow.request_headers) do names[#names + 1] = name end
  flow.headers["X-Asked"] = table.concat(names, " ")
  flow.headers["X-Server"] = flow.server
end
LUA
    proxy --script whole.lua
    run -0 get -i -d body "$url/a"
    [[ $output == *"403 Forbidden"*"X-From: 127.0.0.1:"*"no POST" ]]
    run -0 get -o body -w '%{time_total}' "$url/late"
    [[ $output > 0.3 && $output < 50 ]]
    run -56 get "$url/cut"
    run -28 curl -sS -m 1 "$url/gone"
    run -0 get -i -H 'x-ODD: 1' "$url/old?q=1"
    [[ $output == *"X-Asked: Host User-Agent Accept x-ODD"* ]]
    [[ $output == *"X-Server: 127.0.0.1:$origin"* ]]
    [[ $output == *"GET /new?q=1 HTTP/1.1"* ]]
    ! grep -q '"kind":"script.error"' events
}

@test "the tables of the READMEs are those of the program" {
    root=$BATS_TEST_DIRNAME/../..
    for field in $(sed -n 's/^FILTER_FIELD([A-Z]*, "\([a-z]*\)".*/\1/p' \
        "$root/proxy/filter_fields.def"); do
        grep -q "^| \`$field\` |" "$root/proxy/README.md"
        "$MITMLAB" help filter >help; grep -q "^  $field " help
    done
    sed -n 's/^PROTOCOL("\(.*\)",$/\1/p' "$root/proxy/protocols.def" |
        while read -r name; do
            grep -q "^| $name |" "$root/proxy/README.md"
            "$MITMLAB" help proxy >help; grep -q "^  $name" help
        done
    "$MITMLAB" help proxy >help
    for way in sni reverse http socks transparent keep; do
        grep -q "^  $way " help
    done
    sed -n 's/^RULE_ACTION([A-Z_]*, "\([a-z ]*\)".*/\1/p' "$root/attacks/rules.def" |
        while read -r words; do
            grep -q "^| \`$words" "$root/attacks/README.md"
            "$MITMLAB" help rules >help; grep -q "^$words" help
        done
}

@test "what is told of an edited message is what went out" {
    proxy --rule 'request : replace body alice mallory'
    run -0 get -d 'to=alice' -o /dev/null "$url/pay"
    run -0 get -o /dev/null "$url/gzip"
    grep '"kind":"http.request"' events | grep '"leg":"server"' >told
    grep -q '"Content-Length","10"' told
    run ! grep -q '"Content-Length","8"' told
    # One behind the other on the wire, and in words for a person.
    "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream "$url" -v --hosts /dev/null \
        --rule 'request : replace body bob malloryandbob' >lines 2>said &
    started+=($!)
    wait_for said Listening
    run -0 get -d 'to=bob' -o /dev/null "$(sed -n 's/.*at \([0-9.:]*\).*/http:\/\/\1/p' said)/pay"
    kill -TERM "${started[-1]}"
    wait "${started[-1]}"
    grep -q '  > Content-Length: 16' lines
}

@test "queries are edited, parameter by parameter" {
    proxy --rule 'path == /set : set query q "a b&c=d+e"' \
        --rule 'path == /new : set query x 1; set query y 2' \
        --rule 'path == /gone : remove query q' \
        --rule 'path == /odd : set query "na me" v'
    while read -r asked heard; do
        run -0 get "$url$asked"
        [ "${lines[0]}" = "GET $heard HTTP/1.1" ]
    done <<'LIST'
/set?a=1&q=old&b=%20&q=more&c /set?a=1&q=a%20b%26c%3Dd%2Be&b=%20&c
/set /set?q=a%20b%26c%3Dd%2Be
/set?qq=1 /set?qq=1&q=a%20b%26c%3Dd%2Be
/new /new?x=1&y=2
/new?y=0 /new?y=2&x=1
/gone?q=1&q /gone
/gone?a&q=1&b /gone?a&b
/gone?%71=1&b /gone?b
/gone?a= /gone?a=
/odd?na+me=1&na%20me=2 /odd?na%20me=v
LIST
    # What is not there is not changed.
    grep '"target":"/gone?a="' events | grep '"leg":"server"' | grep -q '"changed":false'
}

# other_server: one more, its address in $other
other_server() {
    "$BATS_TEST_DIRNAME/origin.py" >elsewhere 2>elsewhere.err &
    started+=($!)
    wait_for elsewhere .
    other=127.0.0.1:$(head -1 elsewhere)
}

@test "a request is sent to another server, and the next one is not" {
    other_server
    proxy --rule "path ~ ^/api : send to http://$other; set path /v2"
    run -0 get "$url/a" "$url/api/1" "$url/api/2" "$url/b" -d body
    [ "$(sed -n 2,9p asked)" = "POST /a HTTP/1.1
POST /b HTTP/1.1" ]
    [ "$(sed -n 2,9p elsewhere)" = "POST /v2 HTTP/1.1
POST /v2 HTTP/1.1" ]
    [[ $output == *"POST /v2 HTTP/1.1"*"Host: $other"*"body"* ]]
    # The victim keeps its connection.
    [ "$(grep -c '"kind":"flow.open".*"leg":"victim"' events)" = 1 ]
    grep '"kind":"http.request"' events | grep '"leg":"server"' |
        grep '"host":"'"$other"'"' | grep -q '"changed":true'
}

@test "a request is sent elsewhere although its own server is not there" {
    other_server
    "$MITMLAB" proxy --listen 127.0.0.1:0 --upstream http://127.0.0.1:1 --json \
        --rule "path == /api : send to http://$other" >events 2>events.err &
    started+=($!)
    wait_for events '"kind":"ready"'
    url=http://127.0.0.1:$(port_of events)
    run -0 get "$url/api"
    [[ $output == "GET /api HTTP/1.1"* ]]
    run -0 get -o body -w '%{http_code}' "$url/other"
    [ "$output" = 502 ]
}

@test "nothing is sent out of the lab, or where nobody is" {
    for there in http://192.0.2.1 https://8.8.8.8:80; do
        run -6 "$MITMLAB" proxy --listen 127.0.0.1:0 --rule "path == / : send to $there"
        [[ $output == *"column 21: "*"outside the lab"* ]]
    done
    for there in ftp://127.0.0.1 127.0.0.1 http://127.0.0.1/path; do
        run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --rule "path == / : send to $there"
        [[ $output == *"a server is http://HOST[:PORT]"* ]]
    done
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --rule 'status == 200 : send to http://127.0.0.1'
    proxy --rule 'path == /name : send to http://example.com' \
        --rule 'path == /nobody : send to http://127.0.0.1:1'
    for path in name nobody; do
        run -0 get -o body -w '%{http_code}' "$url/$path"
        [ "$output" = 502 ]
    done
    run -0 get "$url/after"
    [[ $output == "GET /after HTTP/1.1"* ]]
    [ "$(grep -c GET asked)" = 1 ]
}

@test "in HTTP/2 nothing is sent elsewhere, and the victim hears why" {
    other_server
    proxy --http2 victim --rule "path == /api : send to http://$other"
    run -0 get --http2-prior-knowledge -w '%{http_code}' "$url/api"
    [[ $output == *"HTTP/1.1 only"*502 ]]
    run -0 get --http2-prior-knowledge -o body -w '%{http_code}' "$url/a"
    [ "$output" = 200 ]
    run ! grep GET elsewhere
}

@test "a request of TLS is sent to a server in clear, and back" {
    other_server
    "$MITMLAB" cert make c00 --out c >/dev/null
    echo '127.0.0.1 bank.lab.test' >hosts
    "$BATS_TEST_DIRNAME/origin.py" c/server.crt c/server.key >secure 2>secure.err &
    started+=($!)
    wait_for secure .
    secure=$(head -1 secure)
    "$MITMLAB" proxy --json --hosts hosts --ca c/rogue --upstream-ca c/trust.pem \
        --listen "127.0.0.1:0=https://bank.lab.test:$secure" \
        --listen "127.0.0.1:0=http://127.0.0.1:$origin" --http2 off \
        --rule "path == /clear : send to http://$other" \
        --rule "path == /sealed : send to https://bank.lab.test:$secure" \
        >events 2>events.err &
    started+=($!)
    wait_for events '"kind":"ready"'
    port=$(port_of events)
    at=https://bank.lab.test:$port
    run -0 get --cacert c/rogue/ca.crt --resolve "bank.lab.test:$port:127.0.0.1" \
        "$at/1" "$at/clear" "$at/2"
    [ "$(sed -n 2,9p elsewhere)" = "GET /clear HTTP/1.1" ]
    [ "$(grep GET secure)" = "GET /1 HTTP/1.1
GET /2 HTTP/1.1" ]
    run -0 get "http://127.0.0.1:$(port_of events 2)/sealed"
    [[ $output == *"Host: bank.lab.test:$secure"* ]]
    [ "$(tail -1 secure)" = "GET /sealed HTTP/1.1" ]
}

@test "what a script assigns wrongly is said in its own words" {
    cat >edit.lua <<'LUA'
local wrong = {
  nil_body = function(flow) flow.body = nil end,
  table_body = function(flow) flow.body = {} end,
  method = function(flow) flow.method = true end,
  field = function(flow) flow.headers["X"] = {} end,
  status = function(flow) flow.status = 99 end,
  word = function(flow) flow.status = "ok" end,
}
function on_request(flow)
  local act = wrong[flow.path:sub(2)]
  if act and flow.path ~= "/status" and flow.path ~= "/word" then act(flow) end
end
function on_response(flow)
  local act = wrong[flow.path:sub(2)]
  if act then act(flow) end
end
LUA
    proxy --script edit.lua
    for path in nil_body table_body method field status word; do
        get -o /dev/null "$url/$path"
    done
    run -0 sed -n 's/.*"kind":"script.error".*"sentence":"\(.*\)"}}$/\1/p' events
    [[ $output == *'flow.body wants a text, not nil; \"\" is one that is empty'* ]]
    [[ $output == *'flow.body wants a text, not table'* ]]
    [[ $output == *'flow.method wants a text, not boolean'* ]]
    [[ $output == *'headers[\"X\"] wants a text, or nil that removes it, not a table'* ]]
    [ "$(grep -c 'flow.status wants a number from 200 to 599' <<<"$output")" = 2 ]
    [[ $output != *"#3"* ]]
}

@test "who does not read the events holds nobody up, and hears what was dropped" {
    mkfifo pipe
    exec 9<>pipe # somebody who reads one line, and then no more
    "$MITMLAB" proxy --listen 127.0.0.1:0 --json --keep-bodies 64 \
        --upstream "http://127.0.0.1:$origin" >pipe 2>said 9>&- &
    started+=($!)
    read -r ready <&9
    port=$(sed 's/.*"listen":\["[^"]*:\([0-9]*\)".*/\1/' <<<"$ready")
    head -c 60000 /dev/zero | tr '\0' '\377' >long
    for i in $(seq 60); do
        [ "$i" = 1 ] || echo next
        echo "url = http://127.0.0.1:$port/bytes"
        echo "output = /dev/null"
        echo "write-out = %{http_code}."
        echo "data-binary = @long"
    done >config
    run -0 curl -sS -K config
    [ "$output" = "$(printf '200.%.0s' $(seq 60))" ]
    [ "$(grep -c 'nobody reads the events' said)" = 1 ]
    # Somebody reads: all lines are whole, and one says how many are missing.
    timeout 30 sed -n '/"kind":"events.dropped"/{p;q}' <&9 >dropped
    count=$(sed 's/.*"count":\([0-9]*\)}}$/\1/' dropped)
    [ "$count" -gt 0 ]
    grep -q "$count events were dropped" said
    kill -TERM "${started[-1]}"
    exec 9>&-
    code=0
    wait "${started[-1]}" || code=$?
    [ "$code" = 3 ]
    grep -q 'not all events could be written: nobody read them' said
}

@test "who asks a proxy for one server gets the answer of another, and goes on" {
    other_server
    "$MITMLAB" proxy --listen http@127.0.0.1:0 --json \
        --rule "path == /api : send to http://$other" >events 2>events.err &
    started+=($!)
    wait_for events '"kind":"ready"'
    via=http://127.0.0.1:$(port_of events)
    at=http://127.0.0.1:$origin
    run -0 get -x "$via" "$at/1" "$at/api" "http://$other/2" "$at/api" "$at/3"
    [ "$(sed -n 2,9p asked)" = "GET /1 HTTP/1.1
GET /3 HTTP/1.1" ]
    [ "$(sed -n 2,9p elsewhere)" = "GET /api HTTP/1.1
GET /2 HTTP/1.1
GET /api HTTP/1.1" ]
    [ "$(grep -c '"kind":"flow.open".*"leg":"victim"' events)" = 1 ]
}
