#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# TLS that the proxy leaves alone: for whom, and what can be done to it without
# a key. The two ends are real ones, and find out.

bats_require_minimum_version 1.5.0
load common
load tls

# Without a signer all TLS passes; visitors trust the bank itself.
passing() {
    signer=()
    trust=bank.crt
}

@test "a list of servers passes, all others do not" {
    tls_server -tls1_2
    tls_proxy --pass "*.lab.test"
    trust=bank.crt visit
    grep -q 'HTTP/1.0 200' visit.log
    grep -q 'Verify return code: 0' visit.log
    [[ $(said tls.pass victim) == *'"why":"listed","rule":"*.lab.test"'* ]]
    [[ $(said tls.hello victim) == *'"ja4":"t'* ]]
    # In TLS 1.2 the certificate can be seen by whoever stands by.
    [[ $(said tls.cert server) == *'"role":"passed","chain":["-----BEGIN'* ]]
    [[ $(said flow.end server) == *'"up":'*'"down":'* ]]
    name=localhost visit
    grep -q 'HTTP/1.0 200' visit.log # by the rogue CA: it was opened
    grep -q 'CN = Rogue' visit.log
    [ "$(grep -c '"kind":"tls.pass"' events.jsonl)" = 1 ]
    tls_proxy --pass 127.0.0.1
    trust=bank.crt visit
    [[ $(said tls.pass victim) == *'"rule":"127.0.0.1"'* ]]
    tls_proxy --pass lab.test --pass '*.bank.lab.test'
    visit
    ! grep -q '"kind":"tls.pass"' events.jsonl
}

@test "who has refused once is left alone" {
    tls_server
    tls_proxy --pass-after-refusal
    ! trust=bank.crt visit -verify_return_error
    wait_for events.jsonl '"verdict":"refused"'
    trust=bank.crt visit -verify_return_error
    grep -q 'HTTP/1.0 200' visit.log
    [[ $(said tls.pass victim) == *'"why":"refused"'* ]]
    # Another server is another matter.
    name=localhost visit
    [ "$(grep -c '"kind":"tls.pass"' events.jsonl)" = 1 ]
}

@test "rules that are none are refused" {
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --pass bank.lab.test:443
    [[ $output == *"--pass: "*"bank.lab.test:443"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --pass 'b*.lab.test'
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --pass '*.'
}

@test "a record that is damaged, left out, repeated or late to its turn" {
    passing
    tls_server
    for version in tls1_2 tls1_3; do
        for deed in flip drop replay reorder; do
            # In 1.3 the first six of the server are four messages of its
            # handshake and two tickets.
            number=1
            [ $version = tls1_2 ] || number=7
            tls_proxy --attack tamper,do=$deed,record=$number
            visit -$version || true
            echo "$version $deed"
            cat visit.log
            grep -q 'bad record mac' visit.log
            [[ $(said tls.tampered server) == *"\"what\":\"$deed\""*"\"record\":$number"* ]]
        done
    done
}

@test "a flipped bit is a bad_record_mac, whoever gets it" {
    passing
    tls_server
    for version in tls1_2 tls1_3; do
        for from in victim server; do
            tls_proxy --attack "tamper,do=flip,from=$from,bit=17"
            visit -$version -msg || true
            cat visit.log
            if [ $from = server ]; then
                grep -Eq 'decryption failed or bad record mac|>>> .*Alert .*bad_record_mac' visit.log
            else
                grep -q 'alert bad record mac' visit.log
            fi
            [[ $(said tls.tampered $from) == *'"what":"flip","from":"'$from'","record":1,"type":"application_data"'* ]]
        done
    done
}

@test "a record may be late without harm" {
    passing
    tls_server
    tls_proxy --attack tamper,do=delay,record=1,ms=700
    begin=$(date +%s%N)
    visit
    end=$(date +%s%N)
    grep -q 'HTTP/1.0 200' visit.log
    [ $(((end - begin) / 1000000)) -ge 700 ]
    grep -q '"what":"delay"' events.jsonl
}

@test "TLS 1.3 taken out of a hello is noticed by both ends" {
    passing
    tls_server
    tls_proxy --attack edit-hello,remove-version=1.3
    ! visit
    # The mark in the server's random bytes (RFC 8446 4.1.3).
    grep -q 'inappropriate fallback\|downgrade' visit.log
    [[ $(said tls.alert victim) == *'"illegal_parameter"'* ]]
    [[ $(said tls.tampered victim) == *'"what":"hello","from":"victim","removed":1,"versions":1'* ]]
}

@test "a suite taken out of a hello breaks Finished" {
    passing
    tls_server
    for version in tls1_2 tls1_3; do
        tls_proxy --attack edit-hello,remove-suite='ECDHE-ECDSA-AES256-GCM-SHA384|TLS_AES_256_GCM_SHA384'
        ! visit -$version
        cat visit.log
        grep -Eq 'digest check failed|decrypt error|bad record mac' visit.log
    done
}

@test "an extension taken out: the server never learns the name" {
    passing
    tls_server
    tls_proxy --attack edit-hello,remove-extension=server_name
    ! visit
    [[ $(said tls.hello victim) == *'"sni":"bank.lab.test"'* ]]
    [[ $(said tls.tampered victim) == *'"extensions":1'* ]]
}

@test "what makes no sense is named, with the nearest that does" {
    proxy() {
        run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --attack "$1"
        [[ $output == *"$2"* ]] || { echo "$output"; return 1; }
    }
    proxy tamper,do=flop 'do=flip|drop'
    proxy tamper 'do=flip|drop'
    proxy tamper,do=flip,record=0 'record wants 1'
    proxy tamper,do=flip,bit=x 'bit wants 0'
    proxy tamper,do=delay,ms=-1 'ms wants 1'
    proxy edit-hello 'remove-version'
    proxy edit-hello,remove-version=1.5 'version "1.5"'
    proxy edit-hello,remove-extension=keyshare 'did you mean key_share?'
    proxy edit-hello,remove-suite=TLS_AES_128_GCM_SHA257 \
        'did you mean TLS_AES_128_GCM_SHA256?'
}

@test "what is opened is not tampered with" {
    tls_server
    tls_proxy --attack tamper,do=flip
    visit
    grep -q 'HTTP/1.0 200' visit.log
    ! grep -q tls.tampered events.jsonl
}

@test "a person reads who has passed" {
    tls_server
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen 127.0.0.1:0 --upstream "https://127.0.0.1:$server"
    proxy=$(port_of ready.jsonl)
    trust=bank.crt visit
    wait_for lines 'TLS bank.lab.test .* passed'
}
