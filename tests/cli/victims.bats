#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The victims, as somebody meets them who starts them by hand.

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH="$(dirname "$MITMLAB")/victims:$PATH"
    echo '127.0.0.1 bank.lab.test' >hosts
    export MITMLAB_HOSTS="$PWD/hosts"
    bank=
}

teardown() {
    [ -z "$bank" ] || kill "$bank" 2>/dev/null || true
}

# open_bank [OPTION ...]: start it on ports that the kernel chooses; $http is
# the first of them.
open_bank() {
    bank-server --listen 127.0.0.1:0 --json "$@" >events.jsonl 2>bank.err &
    bank=$!
    for _ in $(seq 100); do
        http=$(sed -n '1s/.*"listen":\["127.0.0.1:\([0-9]*\)".*/\1/p' \
            events.jsonl)
        [ -z "$http" ] || return 0
        sleep 0.05
    done
    cat bank.err
    return 1
}

@test "every victim has --help" {
    for program in bank-server https-client https-client-no-verify \
        https-client-no-name-check; do
        run "$program" --help
        [ "$status" -eq 0 ]
        [[ "$output" == *"usage: $program"* ]]
    done
}

@test "the flaw of each flawed client is marked once, in its own file" {
    src=$BATS_TEST_DIRNAME/../../victims
    for name in https_client_no_verify https_client_no_name_check; do
        [ "$(grep -c 'THE FLAW' "$src/$name.c")" -eq 1 ]
    done
    run grep -l 'THE FLAW' "$src"/https_client.c "$src"/bank_server.c "$src"/*.h
    [ "$status" -eq 1 ]
}

@test "a wrong word is exit 2 and says where help is" {
    run https-client
    [ "$status" -eq 2 ]
    [[ "$output" == *"--help"* ]]
    run bank-server
    [ "$status" -eq 2 ]
    [[ "$output" == *"--listen"* ]]
    run bank-server --listen nonsense
    [ "$status" -eq 2 ]
    run bank-server --listen-tls 127.0.0.1:0
    [ "$status" -eq 2 ]
    [[ "$output" == *"--cert"* ]]
}

@test "the bank listens on no address outside the lab" {
    run bank-server --listen 0.0.0.0:0
    [ "$status" -eq 6 ]
    run bank-server --listen 8.8.8.8:80
    [ "$status" -eq 6 ]
}

@test "a client goes to no address outside the lab" {
    run https-client --get http://192.168.1.1/
    [ "$status" -eq 6 ]
    run https-client --get http://example.com/
    [ "$status" -eq 6 ]
    [[ "$output" == *"not in this lab"* ]]
}

@test "login, transfer and balance, readable on a terminal" {
    open_bank --user alice --password secret --balance 50
    run https-client --get "http://bank.lab.test:$http/balance" \
        --user alice --password secret --transfer bob=20
    [ "$status" -eq 0 ]
    [[ "$output" == *"POST /login -> 200 OK"* ]]
    [[ "$output" == *"POST /transfer -> 200 OK"* ]]
    [[ "$output" == *"GET /balance -> 200 OK"* ]]
    [[ "$output" == *"  20 to bob"* && "$output" != *"<"* ]]
    grep -q '"kind":"ledger.entry".*"to":"bob","amount":20,"balance":30' \
        events.jsonl
}

@test "SIGTERM ends the bank with exit 0" {
    open_bank
    kill -TERM "$bank"
    wait "$bank"
    bank=
}

@test "every event is one JSON object, and the first is ready" {
    open_bank
    https-client --get "http://bank.lab.test:$http/" --json >client.jsonl
    kill -TERM "$bank"
    wait "$bank"
    bank=
    for file in events.jsonl client.jsonl; do
        python3 - "$file" <<'PY'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
assert events[0]["kind"] == "ready", events[0]
assert all(set(e) >= {"t", "place", "kind", "data"} for e in events)
PY
    done
    grep -q '"kind":"client.result"' client.jsonl
}

@test "curl and the bank understand each other" {
    command -v curl >/dev/null || skip "curl is not installed"
    open_bank --user alice --password secret
    run curl -sS -i "http://127.0.0.1:$http/" -d x=y --next \
        -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$http/nothing"
    [[ "$output" == *"405 Method Not Allowed"* ]]
    [[ "$output" == *"404" ]]
    run curl -sS -c jar -d 'user=alice' -d 'password=secret' \
        "http://127.0.0.1:$http/login"
    [ "$status" -eq 0 ]
    run curl -sS -b jar -H 'Transfer-Encoding: chunked' -d 'payee=bob' \
        -d 'amount=7' "http://127.0.0.1:$http/transfer"
    [[ "$output" == *"Amount: 7"* ]]
    run curl -sS -I "http://127.0.0.1:$http/"
    [[ "$output" == *"200 OK"* ]]
}
