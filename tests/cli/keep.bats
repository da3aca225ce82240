#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What `mitmlab proxy` leaves behind (-w, --har), and reading it back.

bats_require_minimum_version 1.5.0

load common
load tls

# record ARGUMENTS: a visit over TLS, one that refuses, both in out.pcapng
record() {
    tls_server
    tls_proxy -w out.pcapng "$@"
    visit
    visit -verify_return_error -CAfile bank.crt || true
    said tls.verdict victim >/dev/null
    wait_for events.jsonl '"verdict":"refused"'
    kill -TERM "$proxy_pid"
    wait "$proxy_pid"
}

@test "-w: a capture that tshark opens decrypted, without options" {
    command -v tshark >/dev/null || lacks tshark
    record
    tshark -r out.pcapng -Y http.request -T fields -e http.request.method \
        -e frame.interface_name >requests
    grep -P 'GET\tvictim' requests
    grep -P 'GET\tserver' requests
    # Nothing is missing, out of order or sent twice.
    [ -z "$(tshark -r out.pcapng -Y 'tcp.analysis.flags && !tcp.analysis.window_update')" ]
    [ -z "$(tshark -o tcp.check_checksum:TRUE -r out.pcapng -Y 'tcp.checksum.status == Bad')" ]
    [ "$(tshark -r out.pcapng -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' | wc -l)" -ge 4 ]
}

@test "-w: what happened is a comment on its frame" {
    command -v tshark >/dev/null || lacks tshark
    record
    tshark -r out.pcapng -Y 'frame.comment contains "forged"' \
        -T fields -e tls.handshake.type | grep -q 11
    tshark -r out.pcapng -Y 'frame.comment contains "alert"' | grep -q .
}

@test "inspect -r reads back certificates, alerts, verdicts and HTTP" {
    record
    run -0 "$MITMLAB" inspect -r out.pcapng
    [[ $output == *"certificate original: CN=$name"* ]]
    [[ $output == *"certificate forged: CN=$name, issuer CN=Rogue"* ]]
    [[ $output == *"TLS alert"* ]]
    [[ $output == *"GET /"* ]]
    [[ $output == *"2 flows"* ]]
    run -0 --separate-stderr "$MITMLAB" inspect -r out.pcapng --json
    grep -q '"verdict": "refused"' <<<"$output"
    run -0 "$MITMLAB" inspect -r out.pcapng --filter 'verdict == refused'
    [[ $output == *"1 flow of 2"* ]]
    run -0 "$MITMLAB" inspect -r out.pcapng --filter 'method == GET'
    [[ $output == *"1 flow of 2"* ]]
}

@test "inspect: a capture that was cut short is read as far as it goes, exit 3" {
    record
    head -c -30 out.pcapng >cut.pcapng
    run -3 "$MITMLAB" inspect -r cut.pcapng
    [[ $output == *"cut short"* ]]
    [[ $output == *"flow"* ]]
}

@test "killing the proxy leaves a capture that can be read" {
    tls_server
    tls_proxy -w out.pcapng
    visit
    sleep 1.5 # once a second it goes to the writer
    kill -KILL "$proxy_pid"
    wait "$proxy_pid" || true
    for _ in $(seq 50); do
        "$MITMLAB" inspect -r out.pcapng >text 2>&1 && break
        sleep 0.1
    done
    grep -q 'GET /' text
}

@test "inspect: anybody's capture, and what is none" {
    command -v tshark >/dev/null || lacks tshark
    record
    tshark -r out.pcapng -w foreign.pcapng 2>/dev/null
    run -0 "$MITMLAB" inspect -r foreign.pcapng
    [[ $output == *"no events of ours"* ]]
    [[ $output == *"flow 1"* ]]
    echo hello >text
    run -2 "$MITMLAB" inspect -r text
    [[ $output == *"neither"* ]]
    run -2 "$MITMLAB" inspect -r nothing
    run -2 "$MITMLAB" inspect
}

@test "--har: HTTP of a proxy on its own" {
    tls_server
    tls_proxy --har out.har
    visit
    said http.response victim >/dev/null
    kill -TERM "$proxy_pid"
    wait "$proxy_pid"
    grep -q '"version": "1.2"' out.har
    grep -q '"method": "GET"' out.har
    grep -q '"url": "https://' out.har
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --har nowhere/out.har
}
