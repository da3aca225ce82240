#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab cert: the catalogue, and certificates made from it.

setup() {
    cd "$BATS_TEST_TMPDIR"
    unset COLUMNS
}

# No line of $output is longer than $1.
narrower_than() {
    while IFS= read -r line; do
        [ "${#line}" -le "$1" ] || { echo "too wide: $line"; return 1; }
    done <<<"$output"
}

# The verify command that `cert make` printed, run as printed.
printed_check() {
    sed -n '/^openssl verify/,/server.crt$/p' said | sh 2>&1
}

@test "list names every forgery of the catalogue" {
    run "$MITMLAB" cert list
    [ "$status" -eq 0 ]
    for id in c00 c01 t01 t02 t03 t04 s01 s04 v01 n01 z01; do
        [[ "$output" == *"$id  "* ]]
    done
}

@test "list is what cert says alone" {
    "$MITMLAB" cert >alone
    "$MITMLAB" cert list >list
    cmp alone list
}

@test "list keeps to one family" {
    run "$MITMLAB" cert list --family v
    [ "$status" -eq 0 ]
    [[ "$output" == "v01  "* ]]
    [[ "$output" != *"t01  "* ]]
}

@test "an unknown family is a usage error" {
    run "$MITMLAB" cert list --family q
    [ "$status" -eq 2 ]
}

@test "list fits 80 and 40 columns" {
    run "$MITMLAB" cert list
    narrower_than 80
    COLUMNS=40 run "$MITMLAB" cert list
    narrower_than 40
}

@test "list --json is an object with the rows" {
    run "$MITMLAB" cert list --json
    [ "$status" -eq 0 ]
    [[ "$output" == '{"forgeries":[{"id":"c00"'*']}' ]]
    [[ "$output" == *'"verify_code":19'* ]]
}

@test "make leaves a folder that openssl judges as the table says" {
    command -v openssl >/dev/null || skip "no openssl program"
    for id in c00 c01 t01 t05 t08 t10 s01 s04 s06 v01 v05 n01 n10 n17 n19 \
              n21 p01 p04 p12 u01 x04 k01 k04 k05 k12 r02 z01; do
        "$MITMLAB" cert make "$id" --out "$id" >said
        want=$(sed -n 's/^Expect: error \([0-9]*\),.*/\1/p' said)
        # It goes on after the first error; a victim does not.
        got=$(printed_check | sed -n 's/^error \([0-9]*\) at.*/\1/p' | sed 1q)
        [ "$got" = "$want" ] || { echo "$id: $got, not $want"; return 1; }
    done
}

@test "list has a hundred rows and says what was measured" {
    run "$MITMLAB" cert list --json
    [ "$(grep -o '"id":' <<<"$output" | wc -l)" -ge 100 ]
    run "$MITMLAB" cert list --family r
    [[ "$output" == *"Careful + crl: error 23"* ]]
    [[ "$output" == *"+ crl  "* ]]
    run "$MITMLAB" cert list --family k
    [[ "$output" == *"TLS 1.2 only"* ]]
}

@test "make writes no key of a CA that has no constraints" {
    for id in n09 p08 t12; do
        "$MITMLAB" cert make "$id" --out "$id" >said
        [ "$(find "$id" -name '*.key')" = "$id/server.key" ]
        [ ! -e "$id/lab" ] && [ ! -e "$id/rogue" ]
    done
}

@test "a server that is a CA, too, may name only the lab" {
    for id in p08 p09; do
        run "$MITMLAB" cert show "$id" --json
        [[ "$output" == *'"is_ca":true'*'"DNS:lab.test"'* ]]
    done
}

@test "make writes the bytes that openssl would not" {
    command -v openssl >/dev/null || skip "no openssl program"
    "$MITMLAB" cert make x13 --out d
    openssl asn1parse -in d/server.crt | grep "UTF8STRING.*Caf"
    # It passes over the first and reads the CA behind it.
    run openssl x509 -in d/server.crt -noout -subject
    [[ "$output" != *"Caf"* ]]
}

@test "make writes what goes with the certificate" {
    "$MITMLAB" cert make r03 --out d
    [ -s d/staple.der ]
    "$MITMLAB" cert make r02 --out e
    [ -s e/list.crl ]
}

@test "a forgery for a name of its own is made for that name" {
    run "$MITMLAB" cert make n16 --out d
    [[ "$output" == *"for 192.0.2.7,"*"-verify_ip 192.0.2.7"* ]]
}

@test "make works for an address" {
    command -v openssl >/dev/null || skip "no openssl program"
    "$MITMLAB" cert make c00 --out d --name 192.0.2.7 >said
    [[ "$(printed_check)" == *"OK" ]]
}

@test "keys are readable by their owner alone" {
    umask 000
    "$MITMLAB" cert make t03 --out d
    for key in d/server.key d/lab/ca.key d/rogue/ca.key; do
        [ "$(stat -c %a "$key")" = 600 ]
    done
    [ "$(stat -c %a d/lab)" = 700 ]
    [ -z "$(find d -name '*.tmp')" ]
}

@test "make again replaces what was there" {
    "$MITMLAB" cert make t03 --out d
    cp d/server.crt before
    "$MITMLAB" cert make t03 --out d
    ! cmp -s before d/server.crt
}

@test "make needs a folder" {
    run "$MITMLAB" cert make t03
    [ "$status" -eq 2 ]
    [[ "$output" == *"--out"* ]]
}

@test "a name outside the lab is refused with 6 and nothing is written" {
    for name in www.example.com 8.8.8.8 lab.test.example.com; do
        run "$MITMLAB" cert make z01 --out d --name "$name"
        [ "$status" -eq 6 ]
        [[ "$output" == *"$name"* ]]
        [ ! -e d ]
    done
}

@test "an unknown id is a usage error that offers the nearest" {
    run "$MITMLAB" cert make t3 --out d
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean t03?"* ]]
    run "$MITMLAB" cert show n99
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean n27?"* ]]
}

@test "an unknown word is a usage error that offers the nearest" {
    run "$MITMLAB" cert shwo c00
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean show?"* ]]
    run "$MITMLAB" cert diff c00
    [ "$status" -eq 2 ]
}

@test "show describes a forgery and a file" {
    run "$MITMLAB" cert show v01
    [ "$status" -eq 0 ]
    [[ "$output" == *"DNS:bank.lab.test"* ]]
    "$MITMLAB" cert make t03 --out d
    run "$MITMLAB" cert show d/server.crt
    [ "$status" -eq 0 ]
    [[ "$output" == *"CA cert rogue"* ]]
}

@test "show --json lists the chain, the leaf first" {
    run "$MITMLAB" cert show t03 --json
    [ "$status" -eq 0 ]
    [[ "$output" == '{"certificates":[{"version":3,'*'},{"version":3,'*'}]}' ]]
    [[ "$output" == *'"is_ca":false'*'"is_ca":true'* ]]
}

@test "show fits 40 columns" {
    COLUMNS=40 run "$MITMLAB" cert show t03
    narrower_than 40
}

@test "show of what is no certificate is one sentence" {
    echo hello >file.txt
    run "$MITMLAB" cert show file.txt
    [ "$status" -eq 4 ]
    [[ "$output" == *"no certificate"* ]]
    run "$MITMLAB" cert show missing.pem
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "diff c00 s01 names the one byte" {
    run "$MITMLAB" cert diff c00 s01 --json
    [ "$status" -eq 0 ]
    [ "$(grep -o '"at_a"' <<<"$output" | wc -l)" -eq 1 ]
    [[ "$output" == *'"bytes":[{"field":"signature"'* ]]
}

@test "diff c00 s04 finds nothing: the flaw is the key" {
    run "$MITMLAB" cert diff c00 s04
    [ "$status" -eq 0 ]
    [[ "$output" == *"equal, byte by byte"* ]]
}

@test "diff of two files names them A and B" {
    "$MITMLAB" cert make n01 --out d
    run "$MITMLAB" cert diff d/original.crt d/server.crt
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "A  d/original.crt" ]]
    [[ "$output" == *"DNS:mallory.lab.test"* ]]
}

@test "diff fits 40 columns" {
    COLUMNS=40 run "$MITMLAB" cert diff c00 t04
    narrower_than 40
}

@test "help shows the verbs and options" {
    run "$MITMLAB" cert --help
    [ "$status" -eq 0 ]
    [[ "$output" == *"make ID --out DIR"* ]]
    [[ "$output" == *"--family"* ]]
}

@test "the companions, which are no certificates, stand behind the forgeries" {
    "$MITMLAB" cert list --family a | grep -q '^a05  '
    [ "$("$MITMLAB" cert list --json --family a |
        python3 -c 'import json, sys
all = json.load(sys.stdin)
print(len(all["forgeries"]), len(all["companions"]))')" = "0 8" ]
}
