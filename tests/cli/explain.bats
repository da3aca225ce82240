#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab explain: a frame of a run, and the words of the dictionary.

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p mitmlab-runs
    cp -r "$BATS_TEST_DIRNAME/../labs/report_fixture/lab13" mitmlab-runs/lab13-a
    unset COLUMNS
}

@test "a frame of the newest run leads to its conversation" {
    run "$MITMLAB" explain 33
    [ "$status" -eq 0 ]
    [[ $output == *"frame 33 of mitmlab-runs/lab13-a"* ]]
    [[ $output == *"TLS alert unknown_ca (48)"* ]]
    [[ $output == *"careful said no"* ]]
    [[ $output == *"How it was said: alert in the handshake"* ]]
    [[ $output == *"No byte of application data left the victim."* ]]
    [[ $output != *"careless"* ]]
}

@test "a run of another folder, a connection and an event are found too" {
    mv mitmlab-runs/lab13-a there
    run "$MITMLAB" explain there:47
    [ "$status" -eq 0 ]
    [[ $output == *"careless said yes"* ]]
    [[ $output == *"Check that was not made:"* ]]
    "$MITMLAB" explain there:frame:47 | grep -q "careless said yes"
    "$MITMLAB" explain there:event:3 | grep -q "ClientHello for bank.lab.test"
    "$MITMLAB" explain there:flow:1 | grep -q "ClientHello for bank.lab.test"
    "$MITMLAB" explain there | grep -c " said " | grep -q 3
    run "$MITMLAB" explain 33
    [ "$status" -eq 2 ]
    [[ $output == *"there is no run here"* ]]
}

@test "of two runs the newest is meant" {
    cp -r mitmlab-runs/lab13-a mitmlab-runs/lab13-b
    touch -d "2001-02-03" mitmlab-runs/lab13-a/result.json
    "$MITMLAB" explain frame:33 | head -1 | grep -q lab13-b
    touch -d "2000-02-03" mitmlab-runs/lab13-b/result.json
    "$MITMLAB" explain frame:33 | head -1 | grep -q lab13-a
}

@test "a number that can mean two things is asked about" {
    run "$MITMLAB" explain 10
    [ "$status" -eq 2 ]
    [[ $output == *"write one of"* ]]
    [[ $output == *"frame:10 (of the newest run)"* ]]
    [[ $output == *"alert:10 (unexpected_message)"* ]]
    [[ $output == *"code:10 (X509_V_ERR_CERT_HAS_EXPIRED)"* ]]
    "$MITMLAB" explain code:10 | grep -q "^verify code 10"
    "$MITMLAB" explain alert:10 | grep -q "^alert 10"
    "$MITMLAB" explain frame:10 | grep -q "^frame 10"
}

@test "an alert says who sent it for what" {
    for word in alert:48 unknown_ca alert:UNKNOWN_CA; do
        run env COLUMNS=200 "$MITMLAB" explain "$word"
        [ "$status" -eq 0 ]
        [[ ${lines[0]} == "alert 48, unknown_ca" ]]
        [[ $output == *"s_client, curl, Python: t01 t02 t03"* ]]
        [[ $output == *"Measured on 20"* ]]
    done
}

@test "a code, a forgery and a way have pages of their own" {
    for word in HOSTNAME_MISMATCH x509_v_err_hostname_mismatch code:62; do
        "$MITMLAB" explain "$word" | grep -q "^verify code 62"
    done
    run "$MITMLAB" explain T03
    [[ ${lines[0]} == "t03, rogue CA, root sent" ]]
    [[ $output == *"certificate_unknown: Java"* ]]
    run "$MITMLAB" explain silent
    [[ $output == *"wget (TLS 1.3): t01"* ]]
    run "$MITMLAB" explain too_late
    [[ $output == *"Data leaked"* ]]
}

@test "what is not known is exit 2 and names the nearest" {
    check() { # check WORD REASON
        run "$MITMLAB" explain "$1"
        echo "$1: $output"
        [ "$status" -eq 2 ] && [[ $output == *"$2"* ]]
    }
    check unknown_cs "did you mean unknown_ca?"
    check X509_V_ERR_CERT_HAS_EXPIRE "did you mean X509_V_ERR_CERT_HAS_EXPIRED?"
    check alret:48 "did you mean alert?"
    check alert:7 'nothing is known about "7"'
    check frame:x "frame wants a number"
    check frame:32 "; frames 31 and 33 do"
    check mitmlab-runs/lab13-a:code:3 "frame:N, flow:N and event:N"
    check mitmlab-runs/lab13-b "nothing is known"
    check flow:99 "has no flow 99"
    check 99999 "frame 99999"
    run "$MITMLAB" explain 31 32
    [ "$status" -eq 2 ]
}

@test "explain --json is one object" {
    for word in 33 alert:48 code:62 t03 silent mitmlab-runs/lab13-a; do
        "$MITMLAB" explain --json "$word" >out
        python3 -c 'import json, sys; assert json.load(open("out"))["kind"]'
    done
    "$MITMLAB" explain --json 33 | python3 -c '
import json, sys
it = json.load(sys.stdin)["conversations"]
assert len(it) == 1
assert it[0]["alert_frame"] == 33
assert it[0]["explanation"]["way"] == "alert"
assert it[0]["explanation"]["verify_code"] == 19'
    "$MITMLAB" explain --json unknown_ca | python3 -c '
import json, sys
said = json.load(sys.stdin)["seen"]["said"]
assert {"client": "curl", "forgery": "t03", "tls": "1.3"} in said'
}

@test "explain fits 40 columns and the C locale" {
    for word in 33 alert:48 code:62 t03 silent; do
        LC_ALL=C COLUMNS=40 "$MITMLAB" explain "$word" >out
        ! LC_ALL=C grep -q '[^ -~]' out
        # A name of OpenSSL's alone may be longer.
        ! grep -v X509 out | grep -q '.\{41\}'
    done
}

@test "help says what can be explained" {
    run "$MITMLAB" help refusals
    [ "$status" -eq 0 ]
    for word in frame: alert: forgery: too_late close_notify; do
        [[ $output == *"$word"* ]]
    done
}
