#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# TLS on both legs of mitmlab proxy, between real clients and a real server:
# what is spoken, resumed, asked for, and known of either.

bats_require_minimum_version 1.5.0
load common
load tls

@test "settings that are wrong are named, and exit 2" {
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --tls-victim version=1.2
    [[ $output == *"--tls-victim: "*"did you mean versions?"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --tls-server groups=P-257
    [[ $output == *"--tls-server: "*"did you mean P-256?"* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --tls-server 'ciphers=AES128-SHA:!ALL'
    [[ $output == *"--tls-server: "* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --tls-server staple=on
    [[ $output == *victim* ]]
    run -2 "$MITMLAB" proxy --listen 127.0.0.1:0 --client-key bank.key
    [[ $output == *--client-cert* ]]
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --client-cert none.pem
    [[ $output == *none.pem* ]]
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --client-cert bank.crt \
        --client-key rogue/ca.key
    [[ $output == *"does not fit"* ]]
    run -4 "$MITMLAB" proxy --listen 127.0.0.1:0 --client-ca hosts
    [[ $output == *hosts* ]]
}

@test "each leg has versions, groups and suites of its own" {
    tls_server
    tls_proxy --tls-victim versions=1.2,ciphers=ECDHE-ECDSA-AES256-GCM-SHA384 \
        --tls-server versions=1.3,groups=P-384,ciphers=TLS_AES_128_GCM_SHA256
    visit
    grep -q 'New, TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384' visit.log
    grep -q 'HTTP/1.0 200' visit.log
    [[ $(said tls.done victim) == *'"TLS 1.2","suite":"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"'* ]]
    [[ $(said tls.done server) == *'"TLS 1.3","suite":"TLS_AES_128_GCM_SHA256"'* ]]
    # One suite, and the sign that renegotiation is the secure one (RFC 5746).
    [[ $(said tls.hello server) == *'"versions":["TLS 1.3"],"suites":2,"groups":1'* ]]
}

@test "TLS 1.0 for those who ask for it" {
    tls_server -tls1 -cipher DEFAULT@SECLEVEL=0
    tls_proxy --tls-victim versions=1.0 --tls-server versions=1.0-1.1
    visit -tls1 -cipher DEFAULT@SECLEVEL=0
    grep -q 'New, TLSv1.0' visit.log
    [[ $(said tls.done victim) == *'"version":"TLS 1.0"'* ]]
    [[ $(said tls.done server) == *'"version":"TLS 1.0"'* ]]
}

@test "a victim of the wrong version hears protocol_version" {
    tls_server
    tls_proxy --tls-victim versions=1.3
    ! visit -tls1_2
    grep -q 'alert protocol version' visit.log
    [[ $(said tls.alert victim) == *'"protocol_version"'* ]]
    ! grep -q tls.verdict events.jsonl # nothing was shown to it
}

# tls_lines ARGUMENTS: as tls_proxy, and what people read goes to `lines`
tls_lines() {
    MITMLAB_EVENTS_FD=9 in_background events.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy --listen 127.0.0.1:0 \
        --upstream "https://127.0.0.1:$server" "${signer[@]}" "$@"
    proxy_pid=${started[-1]}
    proxy=$(port_of events.jsonl)
}

# It is over, and so are its lines.
end_lines() {
    kill "$proxy_pid"
    wait "$proxy_pid"
    cat lines
}

@test "a line says why TLS came to nothing, on either leg" {
    tls_server
    tls_lines
    ! visit
    end_lines
    grep -E " TLS $name in .* failed \(the server's certificate does not verify: " lines
    tls_lines --upstream-insecure --tls-victim versions=1.3
    ! visit -tls1_2
    end_lines
    grep -E " TLS $name in .* failed \(no TLS that the victim and this proxy both take: alert protocol_version sent\)" lines
    tls_lines --upstream-insecure --tls-server versions=1.2,ciphers=ECDHE-RSA-AES128-GCM-SHA256
    ! visit
    end_lines
    grep -E " TLS $name in .* failed \(the server ended the TLS handshake with alert handshake_failure\)" lines
    "$BATS_TEST_DIRNAME/origin.py" >port 2>/dev/null & # that speaks no TLS
    started+=($!)
    wait_for port '[0-9]'
    server=$(cat port)
    tls_lines --upstream-insecure
    ! visit
    end_lines
    grep -E " TLS $name in .* failed \(what the server answers is no TLS\)" lines
    tls_server -Verify 1 -verify_return_error
    tls_lines --upstream-insecure
    visit || true
    end_lines
    # Whether the request came before that is a matter of time.
    grep -E " $name.*\(the server ended TLS with alert certificate_required\)|https?://.*\(the server ended TLS with alert certificate_required\)" lines
}

@test "HelloRetryRequest passes on either leg" {
    tls_server -groups P-521
    tls_proxy --tls-victim groups=P-384 --tls-server groups=X25519:P-521
    visit -groups X25519:P-384 -msg
    grep -q 'Server Temp Key: ECDH, secp384r1, 384 bits' visit.log
    grep -q 'HTTP/1.0 200' visit.log
    [ "$(grep -c '>>> .* ClientHello' visit.log)" = 2 ]
    grep -q '"kind":"tls.verdict".*"how":"data"' events.jsonl
}

@test "curl and gnutls-cli come through, and are known by their hellos" {
    tls_server
    tls_proxy
    command -v curl >/dev/null || lacks curl
    curl -sf --cacert rogue/ca.crt --resolve "$name:$proxy:127.0.0.1" \
        "https://$name:$proxy/" >page
    grep -q 'HTML' page
    if command -v gnutls-cli >/dev/null; then
        printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 gnutls-cli \
            --x509cafile rogue/ca.crt --sni-hostname "$name" \
            --verify-hostname "$name" -p "$proxy" 127.0.0.1 >gnutls.log
        grep -q 'Handshake was completed' gnutls.log
        python3 - <<'PY'
import json
hellos = [json.loads(line)["data"] for line in open("events.jsonl")
          if '"kind":"tls.hello"' in line]
victims, own = hellos[0::2], hellos[1::2]
assert victims[0]["ja4"] != victims[1]["ja4"], hellos   # two kinds of client
assert all(len(one["ja4"]) == 36 for one in hellos)
# The proxy offers what its victims do not: it has a face of its own.
assert not {one["ja3"] for one in own} & {one["ja3"] for one in victims}
PY
    fi
}

# shark DUMP FIELD: what tshark says of the hello in it
shark() {
    text2pcap -q -T 40000,443 "$1" "$1.pcap" 2>/dev/null
    tshark -r "$1.pcap" -T fields -e "$2" 2>/dev/null
}

@test "JA3 of both legs is that of tshark" {
    for tool in tshark text2pcap curl python3; do
        command -v "$tool" >/dev/null || lacks "$tool"
    done
    tls_server
    in_background behind.jsonl python3 "$BATS_TEST_DIRNAME/tls_tee.py" \
        "$server" server.dump
    server=$(port_of behind.jsonl)
    tls_proxy
    in_background before.jsonl python3 "$BATS_TEST_DIRNAME/tls_tee.py" \
        "$proxy" victim.dump
    before=$(port_of before.jsonl)
    curl -sf --cacert rogue/ca.crt --resolve "$name:$before:127.0.0.1" \
        "https://$name:$before/" >/dev/null
    for leg in victim server; do
        ja3=$(shark $leg.dump tls.handshake.ja3)
        [ ${#ja3} = 32 ]
        [[ $(said tls.hello $leg) == *"\"ja3\":\"$ja3\""* ]]
    done
}

@test "sessions are resumed where that is switched on, and nowhere else" {
    for version in tls1_2 tls1_3; do
        for how in off on tickets ids; do
            tls_server
            tls_proxy --tls-victim resume=$how --tls-server resume=$how
            rm -f session
            visit -$version -sess_out session
            expected=false
            [ $how = off ] || expected=true
            if [ -s session ]; then
                visit -$version -sess_in session
            else
                visit -$version
            fi
            wait_for events.jsonl '"kind":"flow.end".*"flow":2'
            echo "$version $how"
            [ "$(grep -c '"kind":"tls.done".*"leg":"victim".*"resumed":'$expected events.jsonl)" -ge 1 ]
            [ "$(grep -c '"kind":"tls.done".*"leg":"server".*"resumed":'$expected events.jsonl)" -ge 1 ]
            if [ $how = off ]; then
                ! grep -q '"resumed":true' events.jsonl
                [ "$(grep -c '"kind":"tls.verdict"' events.jsonl)" = 2 ]
            else
                # Who resumes is shown nothing, and judges nothing.
                grep -q '^Reused' visit.log
                [ "$(grep -c '"kind":"tls.verdict"' events.jsonl)" = 1 ]
            fi
            kill "${started[@]}"
            wait
            started=()
        done
    done
}

@test "a certificate is asked of the victim, and another shown to the server" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -keyout me.key -out me.crt -subj '/CN=Mallory' 2>/dev/null
    cat me.crt me.key >me.pem
    tls_server -Verify 1 -CAfile me.crt
    tls_proxy --ask-client-cert --client-ca bank.crt --client-cert me.pem
    for version in tls1_2 tls1_3; do
        visit -$version -cert bank.crt -key bank.key
        grep -q 'CN = bank.lab.test' visit.log # the CA that it names
        grep -q 'Client certificate' visit.log # the server's page says so
        grep -q 'Mallory' visit.log
    done
    [[ $(said tls.client_cert victim) == *'"given":true,"verified":true,"code":0,"chain":["-----BEGIN'* ]]
    [[ $(said tls.client_cert server) == *'"given":true,"chain":["-----BEGIN'* ]]
}

@test "a victim without a certificate, or a strange one, is taken all the same" {
    tls_server
    tls_proxy --client-ca bank.crt
    visit
    [[ $(said tls.client_cert victim) == *'"given":false,"chain":[]'* ]]
    visit -cert rogue/ca.crt -key rogue/ca.key
    grep -q '"kind":"tls.client_cert".*"given":true,"verified":false,"code":18' \
        events.jsonl
    ! grep -q '"kind":"tls.client_cert".*"leg":"server"' events.jsonl
}

@test "a server that wants a certificate and gets none is heard to refuse" {
    tls_server -Verify 1 -tls1_2
    tls_proxy
    ! visit
    [[ $(said tls.client_cert server) == *'"given":false'* ]]
    [[ $(said tls.alert server) == *handshake_failure* ]]
}

@test "ALPN: what the victim offers, or what the operator says" {
    tls_server -alpn http/1.1,spdy/3
    tls_proxy
    visit -alpn h2,http/1.1
    grep -q 'ALPN protocol: http/1.1' visit.log
    [[ $(said tls.hello server) == *'"alpn":["h2","http/1.1"]'* ]]
    tls_proxy --tls-victim alpn=http/1.0:http/1.1 --tls-server alpn=spdy/3
    visit -alpn spdy/3,http/1.1
    [[ $(said tls.hello server) == *'"alpn":["spdy/3"]'* ]]
    tls_proxy --tls-server alpn=none
    visit -alpn http/1.1
    grep -q 'No ALPN negotiated' visit.log
    [[ $(said tls.hello server) == *'"alpn":[]'* ]]
}

@test "what is wrong with the server's certificate is wrong with the forged one" {
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout bank.key \
        -out bank.crt -subj /CN=other.lab.test \
        -addext 'subjectAltName=DNS:other.lab.test' 2>/dev/null
    tls_server
    tls_proxy
    visit -verify_return_error -verify_hostname bank.lab.test
    grep -q 'HTTP/1.0 200' visit.log # a proper copy: name and issuer are right
    grep -q 'Server public key is 2048 bit' visit.log
    tls_proxy --mimic-defects
    ! visit -verify_return_error -verify_hostname bank.lab.test
    grep -q 'verify error:num=18:self.signed certificate' visit.log
    visit
    grep -q 'CN = other.lab.test' visit.log
    grep -q 'HTTP/1.0 200' visit.log
}
