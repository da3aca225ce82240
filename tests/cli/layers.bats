#!/usr/bin/env bats
# tests/layers.sh finds what it is there to find. A copy of the tree gets one
# line that must not be there.

setup() {
    top=$BATS_TEST_DIRNAME/../..
    cd "$BATS_TEST_TMPDIR"
    for folder in certs proxy attacks victims labs; do
        cp -r "$top/$folder" .
    done
}

found() { # found FILE LINE WORDS: LINE in FILE is reported in these words
    printf '%s\n' "$2" >>"$1"
    run sh "$top/tests/layers.sh" .
    [ "$status" -eq 1 ]
    [[ $output == *"$3"* ]]
    sed -i '$d' "$1"
}

@test "the tree as it is keeps its layers" {
    run sh "$top/tests/layers.sh" .
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "an arrow that points upwards or aside is found, however it is written" {
    found certs/keys.c '#include "proxy/flow.h"' 'certs/keys.c'
    found proxy/relay.c '#include "attacks/attack.h"' 'proxy/relay.c'
    found proxy/base/buf.h '#include "labs/engine/run.h"' 'proxy/base/buf.h'
    found attacks/sniff.c '# include "labs/net/net.h"' 'attacks/sniff.c'
    found attacks/sniff.c '#include "victims/client.h"' 'attacks/sniff.c'
    found victims/client.h '#include "proxy/event.h"' 'victims/client.h'
    found labs/cli/main.c '#include "victims/client.h"' 'labs/cli/main.c'
    found proxy/relay.c '#include "../attacks/attack.h"' 'proxy/relay.c'
    found certs/keys.c '#include <proxy/flow.h>' 'certs/keys.c'
}

@test "a library on the wrong floor is found" {
    found certs/keys.c '#include <uv.h>' 'certs/keys.c'
    found victims/client.h '#include <jansson.h>' 'victims/client.h'
}

@test "a second door to the network is found" {
    found attacks/sniff.c 'int x = connect(1, 0, 0);' 'connect outside'
    found victims/client.h 'int x = getaddrinfo(a, b, c, d);' 'getaddrinfo'
    found labs/net/bare.c 'x = uv_tcp_connect(a, b, c, d);' 'uv_tcp_connect'
    found labs/net/probe.c 'x = socket(AF_PACKET, y, 0);' 'packet socket'
    found attacks/sniff.c 'x = pcap_create(a, b);' 'pcap_create'
}

@test "the trust store of the host is not named" {
    found labs/engine/trust.c '// update-ca-certificates' 'trust store'
    found certs/verify.c 'x = "/etc/ssl/certs";' 'trust store'
    found certs/verify.c 'SSL_CTX_set_default_verify_paths(x);' 'trust store'
}

@test "an event that nobody writes is found" {
    found proxy/event.def 'EVENT("flow.lost", "nobody", "")' 'flow.lost'
}
