#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab matrix and rig: which client accepts which forgery.

setup() {
    cd "$BATS_TEST_TMPDIR"
    unset COLUMNS
}

# A test that wants what this machine lacks is skipped with a reason, and fails
# in CI.
lacks() {
    [ -z "${CI:-}" ] || { echo "CI must not skip this: no $1"; return 1; }
    skip "this machine has no $1"
}

namespaces() {
    "$MITMLAB" doctor >/dev/null 2>&1 || lacks "namespaces to give"
}

# The cell of a client, a row and a version in out.json.
cell() {
    python3 - "$@" <<'END'
import json, sys
for cell in json.load(open("out.json"))["cells"]:
    if [cell["client"], cell["row"], cell["tls"]] == sys.argv[1:4]:
        print(cell["verdict"], cell.get("alert", cell.get("how", "")))
END
}

@test "without namespaces our own victims are judged, and others say why not" {
    "$MITMLAB" matrix --bare -c careful,no-verify,curl -f t03,n16,a01 --json \
        >out.json
    [ "$(cell careful c00 1.2)" = "accepted data" ]
    [ "$(cell careful t03 1.3)" = "refused unknown_ca" ]
    [ "$(cell no-verify t03 1.3)" = "accepted data" ]
    [ "$(cell careful a01 1.2)" = "refused offer" ]
    [ "$(cell careful a01 1.3)" = "cannot " ]
    [ "$(cell careful n16 1.3)" = "open " ]
    [ -z "$(cell curl t03 1.3)" ]
    python3 - <<'END'
import json
paper = json.load(open("out.json"))
curl = [c for c in paper["clients"] if c["id"] == "curl"][0]
assert not curl["found"] and "--bare" in curl["missing"], curl
assert paper["schema"] == 1 and paper["tls"] == ["1.2", "1.3"]
END
}

@test "the table fits 40 and 80 columns" {
    for width in 40 80; do
        COLUMNS=$width run "$MITMLAB" matrix --bare -c own -f t03,n01
        [ "$status" -eq 0 ]
        while IFS= read -r line; do
            [ "${#line}" -le "$width" ] || { echo "too wide: $line"; return 1; }
        done <<<"$output"
    done
}

@test "--out leaves a page and data, and --diff compares with them" {
    "$MITMLAB" matrix --bare -c careful -f t03 --out first >/dev/null
    grep -q '<h3 id="t03">' first/matrix.html
    run "$MITMLAB" matrix --bare -c careful -f t03 --diff first
    [ "$status" -eq 0 ]
    [[ "$output" == *"Nothing differs from the earlier run."* ]]
    sed 's/"unknown_ca"/"bad_certificate"/' first/matrix.json >other.json
    run "$MITMLAB" matrix --bare -c careful -f t03 --diff other.json
    [[ "$output" == *"t03 in TLS 1.2: before, careful refuses with"* ]]
}

@test "nothing is left in the folder for temporary files" {
    mkdir tmp
    TMPDIR=$PWD/tmp "$MITMLAB" matrix --bare -c careful -f t03 >/dev/null
    [ -z "$(ls tmp)" ]
}

@test "an unknown client or forgery is exit 2 with the nearest name" {
    run "$MITMLAB" matrix -c crul
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean curl?"* ]]
    run "$MITMLAB" matrix -f t98
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean t12?"* ]]
    run "$MITMLAB" matrix --tls 1.1
    [ "$status" -eq 2 ]
    run "$MITMLAB" matrix --capture
    [ "$status" -eq 2 ]
    run "$MITMLAB" matrix --diff nowhere
    [ "$status" -eq 2 ]
}

@test "a client that does not run is named with the reason" {
    namespaces
    printf 'version = no-such-program\nvisit = no-such-program {url}\n' \
        >mine.client
    run "$MITMLAB" matrix -c ./mine.client,careful -f t03
    [ "$status" -eq 0 ]
    [[ "$output" == *"mine: not here: no-such-program is not installed"* ]]
}

@test "a client that refuses everything is not judged" {
    namespaces
    printf 'version = true\nvisit = false\n' >mine.client
    run "$MITMLAB" matrix -c ./mine.client -f t03
    [ "$status" -eq 0 ]
    [[ "$output" == *"rig not fair for this client"* ]]
}

@test "a client that hangs is ended" {
    namespaces
    printf 'version = true\nvisit = sleep 86397\n' >mine.client
    run timeout 100 "$MITMLAB" matrix -c ./mine.client -f c00 --tls 1.3
    [ "$status" -eq 0 ]
    [[ "$output" == *"decided nothing"* ]]
    ! pgrep -f "^sleep 86397$"
}

@test "a signal while clients are looked for is an interruption" {
    namespaces
    printf 'version = sleep 86398\nvisit = true\n' >mine.client
    "$MITMLAB" matrix -c ./mine.client,careful -f c00 2>said >/dev/null 3>&- &
    for _ in $(seq 200); do
        pgrep -f '^sleep 86398$' >/dev/null && break
        sleep 0.05
    done
    kill -TERM $!
    status=0
    wait $! || status=$?
    cat said
    [ "$status" -eq 143 ]
    grep -q interrupted said
    ! pgrep -f '^sleep 86398$'
}

@test "curl and wget are as they were measured" {
    namespaces
    for program in curl wget; do
        command -v "$program" >/dev/null || lacks "$program"
    done
    "$MITMLAB" matrix -c curl,wget -f t03,n01,n02,u01,z01 --json >out.json
    [ "$(cell curl t03 1.3)" = "refused unknown_ca" ]
    [ "$(cell curl n01 1.2)" = "refused close_notify" ]
    [ "$(cell curl n02 1.3)" = "accepted data" ]
    [ "$(cell curl u01 1.3)" = "refused unsupported_certificate" ]
    [ "$(cell wget u01 1.3)" = "accepted data" ]
    [ "$(cell wget t03 1.3)" = "refused silent" ]
    [ "$(cell wget z01 1.2)" = "accepted data" ]
}

@test "clients that take many conversations in one process keep up" {
    namespaces
    command -v node >/dev/null || lacks node
    "$MITMLAB" matrix -c node,python -f c,t03,n13,z01 --json >out.json
    [ "$(cell node n13 1.3)" = "accepted data" ]
    [ "$(cell node t03 1.2)" = "refused silent" ]
    [ "$(cell python t03 1.3)" = "refused unknown_ca" ]
    [ "$(cell python z01 1.3)" = "accepted data" ]
}

# No CI has these: where they are not, that is said and no more.
@test "chromium is as it was measured, with roots of every row's own" {
    namespaces
    for program in chromium certutil; do
        command -v "$program" >/dev/null || skip "this machine has no $program"
    done
    "$MITMLAB" matrix -c chromium -f t03,n02,v04,v05,z01 --json >out.json
    [ "$(cell chromium t03 1.3)" = "refused certificate_unknown" ]
    [ "$(cell chromium n02 1.2)" = "refused certificate_unknown" ]
    [ "$(cell chromium v04 1.3)" = "accepted data" ]
    [ "$(cell chromium v05 1.2)" = "refused certificate_unknown" ]
    [ "$(cell chromium z01 1.3)" = "accepted data" ]
}

@test "chromium without certutil is named with the reason" {
    namespaces
    mkdir bin
    ln -s "$(python3 -c 'import sys; print(sys.executable)')" bin/python3
    printf '#!/bin/sh\necho Chromium 1.2.3\n' >bin/chromium
    chmod +x bin/chromium
    PATH=$PWD/bin run "$MITMLAB" matrix -c chromium,careful -f t03
    [ "$status" -eq 0 ]
    [[ "$output" == *"libnss3-tools"* ]]
}

@test "perl is as it was measured" {
    namespaces
    perl -MIO::Socket::SSL -e 1 || skip "this machine has no IO::Socket::SSL"
    "$MITMLAB" matrix -c perl -f t03,n02,z01 --json >out.json
    [ "$(cell perl t03 1.2)" = "refused unknown_ca" ]
    [ "$(cell perl n02 1.3)" = "accepted data" ]
    [ "$(cell perl z01 1.3)" = "accepted data" ]
}

@test "go is as it was measured" {
    namespaces
    command -v go >/dev/null || skip "this machine has no go"
    "$MITMLAB" matrix -c go -f t03,n02,z01 --json >out.json
    [ "$(cell go t03 1.2)" = "refused bad_certificate" ]
    [ "$(cell go n02 1.3)" = "refused bad_certificate" ]
    [ "$(cell go z01 1.3)" = "accepted data" ]
}

@test "a capture of a cell opens decrypted and shows the refusal" {
    namespaces
    command -v tshark >/dev/null || lacks tshark
    "$MITMLAB" matrix -c careful -f t03 --out run --capture >/dev/null
    run tshark -r run/cells/careful-t03-1.3.pcapng \
        -Y 'tls.alert_message.desc == 48'
    [ "$status" -eq 0 ]
    [[ "$output" == *"Unknown CA"* ]]
    run tshark -r run/cells/careful-c00-1.3.pcapng -Y http.request
    [[ "$output" == *"GET / HTTP/1.1"* ]]
}

@test "no key of a CA is anywhere but in memory" {
    "$MITMLAB" matrix --bare -c careful -f z01,t03 --out run >/dev/null
    ! grep -rq PRIVATE run
}

@test "the rig listens inside of the lab only" {
    run "$MITMLAB" rig --listen 192.168.1.1
    [ "$status" -eq 6 ]
    run "$MITMLAB" rig --forgeries t98
    [ "$status" -eq 2 ]
}
