#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab attack: the list, and sniff on a capture; and the attacks that work
# in the proxy, between a real client and a real bank.

load common

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH="$(dirname "$MITMLAB")/victims:$PATH"
    echo '127.0.0.1 bank.lab.test' >hosts
    export MITMLAB_HOSTS="$PWD/hosts"
    started=()
}

@test "alone it lists what there is" {
    run "$MITMLAB" attack
    [ "$status" -eq 0 ]
    for name in sniff rewrite forged-cert rogue-ca; do
        [[ "$output" == *"$name"* ]]
    done
}

@test "the list fits 40 columns" {
    COLUMNS=40 run "$MITMLAB" attack
    while IFS= read -r line; do
        [ "${#line}" -le 40 ] || { echo "too wide: $line"; return 1; }
    done <<<"$output"
}

@test "the list as JSON" {
    "$MITMLAB" attack --json | python3 -c '
import json, sys
attacks = json.load(sys.stdin)["attacks"]
assert {a["name"] for a in attacks} >= {"sniff", "rewrite"}
rewrite = [a for a in attacks if a["name"] == "rewrite"][0]
assert rewrite["runs"] == "proxy"
assert [p for p in rewrite["parameters"] if p["name"] == "find"][0]["required"]
'
}

@test "a misspelt name or parameter offers the nearest" {
    run "$MITMLAB" attack snif
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean sniff?"* ]]
    run "$MITMLAB" attack sniff from=x lok=y
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean look?"* ]]
}

@test "one that works in the proxy says so" {
    run "$MITMLAB" attack rewrite find=a
    [ "$status" -eq 2 ]
    [[ "$output" == *"mitmlab proxy --attack rewrite"* ]]
}

@test "outside a lab there is no wire to listen on" {
    run "$MITMLAB" attack sniff iface=lo
    [ "$status" -eq 6 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "a capture that is not there is an error" {
    run "$MITMLAB" attack sniff from=nothing.pcapng
    [ "$status" -eq 4 ]
}

# An Ethernet frame in a pcapng file, as another program would write it.
write_capture() {
    python3 - "$1" <<'PY'
import struct, sys
def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
def frame(sport, dport, seq, flags, payload=b""):
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 64240,
                      0, 0) + payload
    ends = [bytes([127, 66, 0, 1]), bytes([127, 66, 0, 3])]
    if sport == 80:
        ends.reverse()
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
    return bytes(12) + b"\x08\x00" + ip + ends[0] + ends[1] + tcp
frames = [
    frame(4000, 80, 99, 2), frame(80, 4000, 500, 0x12),
    frame(4000, 80, 100, 0x18, b"POST /login HTTP/1.1\r\n\r\nuser=a&pass"),
    frame(4000, 80, 135, 0x18, b"word=open%20sesame"),
    frame(80, 4000, 501, 0x18, b"HTTP/1.1 200 OK\r\n\r\n")]
with open(sys.argv[1], "wb") as out:
    out.write(block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)))
    out.write(block(1, struct.pack("<HHI", 1, 0, 0)))
    for one in frames:
        out.write(block(6, struct.pack("<IIIII", 0, 0, 0, len(one), len(one))
                        + one))
PY
}

@test "sniff reads a password out of a growing capture" {
    write_capture whole.pcapng
    head -c 100 whole.pcapng >growing.pcapng
    in_background events.jsonl "$MITMLAB" attack sniff --json \
        from=growing.pcapng
    tail -c +101 whole.pcapng >>growing.pcapng
    wait_for events.jsonl '"kind":"secret.read"'
    grep -q '"attack":"sniff"' events.jsonl
    grep '"kind":"secret.read"' events.jsonl | python3 -c '
import json, sys
event = json.loads(sys.stdin.readline())
assert event["data"]["value"] == "open sesame", event
assert event["tuple"] == ["127.66.0.1", 4000, "127.66.0.3", 80], event
assert (event["dir"], event["at"], event["len"]) == ("up", 40, 13), event
'
    kill -TERM "${started[0]}"
    wait "${started[0]}"
    started=()
}

@test "what was said before anybody listened was not heard" {
    write_capture whole.pcapng
    cp whole.pcapng growing.pcapng
    in_background events.jsonl "$MITMLAB" attack sniff --json \
        from=growing.pcapng look=later
    sed 's/open%20sesame/later--sesame/' whole.pcapng |
        tail -c +49 >>growing.pcapng
    wait_for events.jsonl '"value":"later"'
    ! grep -q 'open sesame' events.jsonl
}

@test "without --json a person reads lines, with nothing that steers a terminal" {
    write_capture whole.pcapng
    "$MITMLAB" attack sniff from=whole.pcapng past=yes >said &
    started+=($!)
    wait_for said 'open sesame'
    run cat said
    [[ "${lines[0]}" == *"ready"* ]]
    [[ "$output" == *"secret.read"*"127.66.0.1 port 4000 -> 127.66.0.3 port 80"* ]]
    [[ "$output" != *'{"t":'* ]]
}

@test "rewrite in the proxy: the payee changes, and the page lies" {
    in_background bank.jsonl bank-server --json --listen 127.0.0.1:0 \
        --user alice --password secret
    in_background proxy.jsonl "$MITMLAB" proxy --json --listen 127.0.0.1:0 \
        --upstream "http://bank.lab.test:$(port_of bank.jsonl)" \
        --attack rewrite,in=request,find=payee=bob,with=payee=mallory \
        --attack rewrite,in=response,find=mallory,with=bob
    run https-client --user alice --password secret --transfer bob=20 \
        --get "http://127.0.0.1:$(port_of proxy.jsonl)/balance"
    [ "$status" -eq 0 ]
    [[ "$output" == *"20 to bob"* ]]
    [[ "$output" != *"mallory"* ]]
    grep -q '"kind":"ledger.entry".*"to":"mallory"' bank.jsonl
    grep -q '"kind":"attack.changed".*"what":"body"' proxy.jsonl
}

# Certificates for a bank, and an attacker's CA.
make_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -keyout bank.key -out bank.crt -subj /CN=bank.lab.test \
        -addext 'subjectAltName=DNS:bank.lab.test' 2>/dev/null
    mkdir -m 700 rogue
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -keyout rogue/ca.key -out rogue/ca.crt -subj '/CN=Rogue' \
        2>/dev/null
    chmod 600 rogue/ca.key bank.key
}

@test "rogue-ca: refused by the careful, read where it is trusted" {
    command -v openssl >/dev/null || skip "openssl is not installed"
    make_certificates
    in_background bank.jsonl bank-server --json --listen-tls 127.0.0.1:0 \
        --cert bank.crt --key bank.key --user alice --password secret
    in_background proxy.jsonl "$MITMLAB" proxy --json --listen 127.0.0.1:0 \
        --upstream "https://bank.lab.test:$(port_of bank.jsonl)" \
        --upstream-ca bank.crt --ca rogue --attack rogue-ca
    bank=https://bank.lab.test:$(port_of proxy.jsonl)
    run https-client --user alice --password secret --get "$bank/balance" \
        --trust bank.crt
    [ "$status" -eq 60 ]
    ! grep -q '"kind":"secret.read"' proxy.jsonl
    run https-client --user alice --password secret --get "$bank/balance" \
        --trust rogue/ca.crt
    echo "$output"
    [ "$status" -eq 0 ]
    grep -q '"kind":"secret.read".*"what":"password","value":"secret"' \
        proxy.jsonl
    grep -q '"kind":"secret.read".*"what":"cookie","value":"session=' \
        proxy.jsonl
}
