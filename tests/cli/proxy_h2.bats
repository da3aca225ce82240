#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# HTTP/2 through mitmlab proxy, between real clients and real servers: on both
# legs, or on one of them.

bats_require_minimum_version 1.5.0
load common

setup() {
    cd "$BATS_TEST_TMPDIR"
    started=()
    name=bank.lab.test
    mkdir -m 700 rogue www
    for who in bank rogue/ca; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -days 1 -keyout $who.key -out $who.crt -subj "/CN=$name" \
            -addext "subjectAltName=DNS:$name" 2>/dev/null
        chmod 600 $who.key
    done
    echo "127.0.0.1 $name" >hosts
    export MITMLAB_HOSTS="$PWD/hosts"
    echo 'hello from the bank' >www/page
}

# node_bank [h1]: its port in $server
node_bank() {
    command -v node >/dev/null || lacks node
    cat >bank.js <<'JS'
const fs = require('fs');
const keys = {key: fs.readFileSync('bank.key'),
              cert: fs.readFileSync('bank.crt')};
const answer = (request, response) => {
  let got = 0;
  request.on('data', piece => got += piece.length);
  request.on('end', () => response.end(
    `hello in ${request.httpVersion}, got ${got}\n`));
};
const server = process.argv[2] === 'h1'
  ? require('https').createServer(keys, answer)
  : require('http2').createSecureServer(keys, answer);
server.listen(0, '127.0.0.1',
              () => console.log('port ' + server.address().port));
JS
    node bank.js "$@" >bank.log 2>&1 &
    started+=($!)
    wait_for bank.log '^port'
    server=$(sed -n 's/^port //p' bank.log)
}

# proxy_to PORT ARGUMENTS: its port in $port, its lines in lines.log
proxy_to() {
    local to=$1
    shift
    MITMLAB_EVENTS_FD=3 "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --upstream "https://$name:$to" --upstream-ca bank.crt --ca rogue \
        "$@" >lines.log 2>proxy.err 3>events.jsonl &
    started+=($!)
    wait_for events.jsonl '"kind":"ready"'
    port=$(sed -n '1s/.*"listen":\["[^"]*:\([0-9]*\)".*/\1/p' events.jsonl)
}

visit() {
    command -v curl >/dev/null || lacks curl
    curl -s --max-time 20 --cacert rogue/ca.crt \
        --resolve "$name:$port:127.0.0.1" -w '%{http_version}\n' "$@"
}

@test "--http2 takes four words" {
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --http2 always
    [[ $output == *"both, off, victim or server"* ]]
}

@test "HTTP/2 is what both ends agree on, and a script edits it" {
    node_bank
    cat >edit.lua <<'LUA'
function on_response(flow)
  flow.body = flow.body:gsub("hello", "good bye")
  flow.headers["X-Edited"] = "yes"
end
LUA
    proxy_to "$server" --script edit.lua
    run -0 visit -i "https://$name:$port/"
    [[ $output == *"HTTP/2 200"* ]]
    [[ $output == *"x-edited: yes"* ]]
    [[ $output == *"good bye in 2.0"* ]]
    wait_for lines.log ' h2 response-changed accepted'
}

@test "victim, server and off: each leg speaks what it is told to" {
    node_bank h1
    proxy_to "$server" --http2 victim
    run -0 visit "https://$name:$port/" -d abc
    [[ $output == *"hello in 1.1, got 3"*2 ]]
    wait_for lines.log ' h2 to h1 '
    node_bank
    proxy_to "$server" --http2 server
    run -0 visit "https://$name:$port/" -d abcd
    [[ $output == *"hello in 2.0, got 4"*1.1 ]]
    wait_for lines.log ' h1 to h2 '
    node_bank h1
    proxy_to "$server" --http2 off
    run -0 visit "https://$name:$port/"
    [[ $output == *"hello in 1.1, got 0"*1.1 ]]
}

@test "a thousand requests, fifty at a time, and none is lost" {
    command -v h2load >/dev/null || lacks h2load
    node_bank
    proxy_to "$server"
    run -0 h2load -n 1000 -c 4 -m 50 "https://127.0.0.1:$port/page"
    [[ $output == *"1000 succeeded, 0 failed, 0 errored"* ]]
    [[ $output == *"1000 2xx"* ]]
}
