#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mitmlab check: sources are handed out once, and what was made of them counts.

load common

setup() {
    cd "$BATS_TEST_TMPDIR"
}

source_of() {
    echo "lab16-workshop/https_client_$1.c"
}

@test "the first time it hands out the sources, without pointing at the flaw" {
    run "$MITMLAB" check lab16
    [ "$status" -eq 1 ]
    [ "$(ls lab16-workshop/*.c | wc -l)" -eq 6 ]
    [ -f lab16-workshop/include/victims/client.h ]
    ! grep -rl "THE FLAW" lab16-workshop/*.c
}

@test "what is handed out can be compiled with what lies beside it" {
    command -v cc || lacks "cc"
    run "$MITMLAB" check lab16
    for name in no_dates no_purpose any_root no_ca_check no_signature \
        name_prefix; do
        cc -D_GNU_SOURCE -I lab16-workshop/include -o "$name" \
            "$(source_of $name)" lab16-workshop/include/proxy/base/dial.c \
            lab16-workshop/include/certs/err.c \
            lab16-workshop/include/certs/verify.c -lssl -lcrypto -pthread
        ./"$name" --help | grep -q "usage: https-client-"
    done
}

@test "sources that are there are never overwritten" {
    mkdir lab16-workshop
    for name in no_dates no_purpose any_root no_ca_check no_signature \
        name_prefix; do
        echo "int main(void) { return 3; } /* mine */" > "$(source_of $name)"
    done
    run "$MITMLAB" check lab16 --out out
    [ "$status" -ne 0 ]
    grep -q mine "$(source_of no_dates)"
}

@test "all repaired: it says so, and that the lab is passed by playing it" {
    command -v cc || lacks "cc"
    unshare -Urnm true || lacks "user namespaces"
    run "$MITMLAB" check lab16
    sed -i '/NO_CHECK_TIME/d' "$(source_of no_dates)"
    sed -i 's/PURPOSE_ANY/PURPOSE_SSL_SERVER/' "$(source_of no_purpose)"
    sed -i 's/return 1;/return good;/' "$(source_of any_root)"
    sed -i 's/good || depth > 0/good/' "$(source_of no_ca_check)"
    sed -i 's/len >= strlen(host)/len == strlen(host)/' \
        "$(source_of name_prefix)"
    run "$MITMLAB" check lab16
    [ "$status" -eq 1 ]
    [[ "$output" == *"no-signature refuses every forgery: expected true"* ]]
    [[ "$output" != *"Your repair holds"* ]]
    sed -i 's/answer >= 0/answer > 0/' "$(source_of no_signature)"
    run "$MITMLAB" check lab16
    [ "$status" -eq 0 ]
    [[ "$output" == *"Your repair holds"*"mitmlab run lab16"* ]]
    run "$MITMLAB" list
    [[ "$output" != *"passed"* ]]
}

@test "a lab without a workshop has nothing to check" {
    run "$MITMLAB" check lab03
    [ "$status" -eq 2 ]
    [[ "$output" == *"lab03 has nothing to repair"* ]]
    run "$MITMLAB" check lab16 lab03
    [ "$status" -eq 2 ]
}

@test "it does not run where nothing would hold the programs" {
    run "$MITMLAB" run lab16 --bare --no-input --out out
    [ "$status" -eq 4 ]
    [[ "$output" == *"does not run with --bare"* ]]
}

@test "without a compiler it says so" {
    CC=no-such-cc run "$MITMLAB" run lab16 --no-input --out out
    [ "$status" -eq 4 ]
    [[ "$output" == *"there is no no-such-cc here"* ]]
}
