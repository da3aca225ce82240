#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# mitmlab feed and recorder, as someone would start them by hand: they are the
# runner's, and refuse what is not a lab.

@test "feed refuses to watch an interface outside a lab" {
    run "$MITMLAB" feed --iface lo
    [ "$status" -eq 6 ]
    [[ "$output" == *"outside the network of a running lab"* ]]
}

@test "feed wants an interface and maps that it can read" {
    run "$MITMLAB" feed
    [ "$status" -eq 2 ]
    run "$MITMLAB" feed --iface lo --map victim
    [ "$status" -eq 2 ]
    [[ "$output" == *"MAC=PLACE"* ]]
}

@test "recorder relays to no address outside the lab" {
    run "$MITMLAB" recorder \
        --map 127.0.0.1:1=198.51.100.1:2,client=a:127.0.0.1,server=b
    [ "$status" -eq 6 ]
    [[ "$output" == *"198.51.100.1"* ]]
}

@test "recorder wants a writer" {
    run "$MITMLAB" recorder --fd 99 \
        --map 127.0.0.1:1=127.0.0.1:2,client=a:127.0.0.1,server=b
    [ "$status" -eq 4 ]
    [[ "$output" == *"descriptor 99"* ]]
}

@test "feed and recorder are not listed among the commands" {
    run "$MITMLAB" help
    [ "$status" -eq 0 ]
    [[ "$output" != *feed* ]]
    [[ "$output" != *recorder* ]]
}
