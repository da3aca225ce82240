#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Servers that are not there, not yet or not any more, as a real curl meets
# them behind each way in.

bats_require_minimum_version 1.5.0
load common

setup() {
    command -v curl >/dev/null || lacks curl
    command -v openssl >/dev/null || lacks openssl
    cd "$BATS_TEST_TMPDIR"
    unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY \
        ALL_PROXY NO_PROXY
    mkdir -m 700 run rogue
    export XDG_RUNTIME_DIR="$PWD/run" MITMLAB_HOSTS="$PWD/hosts"
    printf '127.0.0.1 bank.lab.test\n' >hosts
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -days 1 -subj /CN=rogue -keyout rogue/ca.key -out rogue/ca.crt \
        2>/dev/null
    chmod 600 rogue/ca.key
    started=()
    server_comes
    server_goes
}

server_comes() { # at the port where it was before, if it was
    : >asked
    "$BATS_TEST_DIRNAME/origin.py" ${port:+"$port"} >asked 2>asked.err &
    origin=$!
    started+=("$origin")
    wait_for asked .
    port=$(head -1 asked)
}

server_goes() {
    kill "$origin"
    wait "$origin" 2>/dev/null || true
}

proxy() { # OPTION...
    in_background proxy.jsonl "$MITMLAB" proxy --json --ca rogue "$@"
    url=127.0.0.1:$(port_of proxy.jsonl)
}

# all_ways OPTION...: a proxy with each; then curl by each of them
all_ways() {
    proxy --listen "reverse@127.0.0.1:0=http://bank.lab.test:$port" \
        --listen http@127.0.0.1:0 --listen socks@127.0.0.1:0 \
        --listen "sni@127.0.0.1:0=$port" "$@"
    local n=0 way
    for way in reverse http socks sni; do
        n=$((n + 1))
        at[$n]=127.0.0.1:$(port_of proxy.jsonl $n)
    done
    by_reverse=(--connect-to "bank.lab.test:$port:${at[1]}")
    by_http=(--proxy "http://${at[2]}")
    by_socks=(--proxy "socks5h://${at[3]}")
    by_sni=(--connect-to "bank.lab.test:$port:${at[4]}")
}

ask() { # WAY CURL-OPTION...: what it says, and the status behind it
    local -n words=by_$1
    shift
    curl -sS -m 20 -w '\n%{http_code}\n' "${words[@]}" "$@"
}

@test "a rule answers in the place of a server that is not there, by every way" {
    all_ways --rule 'path == /a : answer 200 "from the attacker"'
    for way in reverse http socks sni; do
        run -0 ask $way "http://bank.lab.test:$port/a"
        [ "${lines[0]}" = "from the attacker" ]
        # And what no rule answers hears why.
        run -0 ask $way "http://bank.lab.test:$port/b"
        [[ ${lines[0]} == "mitmlab: the server at 127.0.0.1:$port: connection refused" ]]
        [ "${lines[-1]}" = 502 ]
    done
}

@test "TLS to nobody: a leaf made of the name, where a rule may answer" {
    all_ways --rule 'path == /a : answer 200 "from the attacker"'
    for way in http socks sni; do
        run -0 ask $way --cacert rogue/ca.crt "https://bank.lab.test:$port/a"
        [ "${lines[0]}" = "from the attacker" ]
        run -0 ask $way --cacert rogue/ca.crt "https://bank.lab.test:$port/b"
        [[ $output == *"connection refused"*502 ]]
    done
}

@test "TLS to nobody: an alert and a word of the proxy, where nothing answers" {
    all_ways
    run -35 ask sni --cacert rogue/ca.crt "https://bank.lab.test:$port/"
    run ask http --cacert rogue/ca.crt "https://bank.lab.test:$port/"
    [[ $output == *502* ]]
    run -97 ask socks --cacert rogue/ca.crt "https://bank.lab.test:$port/"
}

# Asks for /a, waits for the file `go`, and asks for /b by the same connection.
visits_twice() { # HOST PORT PREFIX-OF-TARGETS
    python3 - "$@" <<'PYTHON'
import http.client, os, sys, time
host, port, prefix = sys.argv[1:]
victim = http.client.HTTPConnection(host, int(port), timeout=20)
for path in "/a", "/b":
    victim.request("GET", prefix + path, headers={"Host": os.environ["BANK"]})
    answer = victim.getresponse()
    print(answer.status, answer.read().decode().split("\n")[0], flush=True)
    while path == "/a" and not os.path.exists("go"):
        time.sleep(0.05)
    assert victim.sock is not None
PYTHON
}

@test "a server that comes is found, by a victim that kept its connection" {
    all_ways --rule 'path == /a : answer 200 "from the attacker"'
    export BANK=bank.lab.test:$port
    for n in 1 2 4; do
        rm -f go
        prefix=
        [ $n != 2 ] || prefix=http://$BANK
        visits_twice 127.0.0.1 "${at[$n]##*:}" "$prefix" >heard &
        victim=$!
        wait_for heard '200 from the attacker'
        server_comes
        touch go
        wait "$victim"
        grep -q '^200 GET /b HTTP/1.1' heard
        server_goes
    done
}

@test "a held request finds the server that came meanwhile" {
    all_ways --hold 'request'
    for way in reverse http socks sni; do
        ask $way "http://bank.lab.test:$port/" >answer 2>&1 &
        asker=$!
        n=$((n + 1))
        wait_for proxy.jsonl "\"number\":$n,\"what\":\"held\""
        server_comes
        "$MITMLAB" hold go $n
        wait "$asker"
        [ "$(tail -1 answer)" = 200 ]
        server_goes
    done
}

@test "a server that dies and comes back while a request is held" {
    server_comes
    all_ways --hold 'request'
    for way in reverse http socks sni; do
        ask $way "http://bank.lab.test:$port/" -d to=alice >answer 2>&1 &
        asker=$!
        n=$((n + 1))
        wait_for proxy.jsonl "\"number\":$n,\"what\":\"held\""
        server_goes
        server_comes
        "$MITMLAB" hold go $n
        wait "$asker"
        [ "$(tail -1 answer)" = 200 ]
        grep -q to=alice answer
    done
}

@test "a server that stays away while a request is held is 502, or what is written" {
    server_comes
    all_ways --hold 'request'
    ask reverse "http://bank.lab.test:$port/" >answer 2>&1 &
    first=$!
    wait_for proxy.jsonl '"number":1,"what":"held"'
    ask reverse "http://bank.lab.test:$port/" >other 2>&1 &
    second=$!
    wait_for proxy.jsonl '"number":2,"what":"held"'
    server_goes
    "$MITMLAB" hold go 1
    "$MITMLAB" hold answer 2 200 'from a person'
    wait "$first" "$second"
    grep -q 'connection refused' answer
    [ "$(tail -1 answer)" = 502 ]
    grep -q 'from a person' other
}

@test "what nobody answered is in the line, the events, the HAR and the capture" {
    proxy --listen "127.0.0.1:0=http://127.0.0.1:$port" --har flows.har \
        -w flows.pcapng
    run -0 curl -sS -o answer -w '%{http_code}' "http://$url/lost"
    [ "$output" = 502 ]
    kill "${started[-1]}"
    wait "${started[-1]}" || true
    grep '"kind":"http.request"' proxy.jsonl | grep -q '"target":"/lost"'
    grep '"kind":"http.response"' proxy.jsonl | grep -q '"status":502'
    grep -q '"status": *502' flows.har
    run -0 "$MITMLAB" inspect -r flows.pcapng
    [[ $output == *"/lost"*502* ]]
}

@test "-w shows the SYN of a server that refused, and its RST" {
    command -v tshark >/dev/null || lacks tshark
    proxy --listen "127.0.0.1:0=http://127.0.0.1:$port" -w flows.pcapng
    curl -sS -o answer "http://$url/lost"
    kill "${started[-1]}"
    wait "${started[-1]}" || true
    run -0 --separate-stderr tshark -r flows.pcapng -Y "tcp.port == $port" -T fields \
        -e tcp.flags.str
    [ "${#lines[@]}" = 2 ]
    [[ ${lines[0]} == *S* && ${lines[1]} == *A*R* ]]
    run -0 --separate-stderr tshark -r flows.pcapng -Y '_ws.expert.severity >= 8388608 || _ws.malformed'
    [ -z "$output" ]
}
