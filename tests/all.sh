#!/bin/sh
# Everything that must be true, on a bare Debian 12:
#     sh tests/all.sh
# Installs what is missing, checks the format, compiles with clang and with gcc,
# plain and sanitized (ASan, UBSan), plays the whole suite. The last lines are
# ctest's summary.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/labs/packages.sh"

# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES $TEST_PACKAGES || exit $?

echo "== format"
find "$top/certs" "$top/proxy" "$top/attacks" "$top/victims" "$top/labs" \
    "$top/tests" -name '*.[ch]' -exec clang-format --dry-run -Werror {} +

# build NAME COMPILER [OPTION...]: warnings are errors.
build() {
    echo "== $1"
    folder="$top/build/$1"
    compiler=$2
    shift 2
    cmake -G Ninja -S "$top" -B "$folder" -DCMAKE_C_COMPILER="$compiler" \
        -DMITMLAB_WERROR=ON "$@" >/dev/null
    ninja -C "$folder" --quiet
}
build clang clang
build plain gcc -DMITMLAB_TESTS=OFF
build sanitized gcc -DMITMLAB_SANITIZE=ON \
    -DMITMLAB_TRACED="$top/build/plain/mitmlab"

echo "== the suite"
exec ctest --test-dir "$top/build/sanitized" --output-on-failure -j2 "$@"
