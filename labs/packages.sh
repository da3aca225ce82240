# Names the Debian packages that a build or a test run needs, and installs
# those that are missing. Sourced by labs/try.sh and tests/all.sh.
# shellcheck shell=sh

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config
    libuv1-dev libssl-dev libpcap-dev liblua5.4-dev libjansson-dev
    zlib1g-dev libnghttp2-dev libbrotli-dev libzstd-dev libmd4c-dev libmd4c-html0-dev"

TEST_PACKAGES="clang libclang-rt-14-dev clang-format libcmocka-dev bats
    tshark wireshark-common curl wget openssl strace procps iproute2
    nghttp2-client nghttp2-server node-llhttp python3 python3-websockets
    bind9-dnsutils haproxy jq zstd zsh fish mandoc"

installed() {
    dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

# need_packages NAME...: install what is missing, or say why that cannot be.
need_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian: please see that you have the counterparts of"
        echo "  $*"
        return 0
    fi
    missing=
    for package in "$@"; do
        installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "Missing packages, to be installed with apt-get:"
    echo " $missing"
    root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Not root, and no sudo here. Please have somebody run:" >&2
            echo "  apt-get install$missing" >&2
            return 4
        fi
        root="sudo"
    fi
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -q && apt-get install -y -q --no-install-recommends "$@"' \
        apt $missing </dev/null >&2 || {
        echo "apt-get could not install them; see its message above." >&2
        return 4
    }
}
