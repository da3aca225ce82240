#!/bin/sh
# Everything that must be true, on a bare Debian 12:
#     sh tests/all.sh
# Installs what is missing, checks the format, compiles with clang (warnings
# are errors) and with gcc (ASan, UBSan), plays the whole suite. The last lines
# are ctest's summary.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/labs/packages.sh"

# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES $TEST_PACKAGES || exit $?

echo "== format"
find "$top/certs" "$top/proxy" "$top/attacks" "$top/victims" "$top/labs" \
    "$top/tests" -name '*.[ch]' -exec clang-format --dry-run -Werror {} +

echo "== clang, warnings are errors"
cmake -G Ninja -S "$top" -B "$top/build/clang" -DCMAKE_C_COMPILER=clang \
    -DMITMLAB_WERROR=ON >/dev/null
ninja -C "$top/build/clang" --quiet

echo "== gcc, sanitized"
cmake -G Ninja -S "$top" -B "$top/build/gcc" -DCMAKE_C_COMPILER=gcc \
    -DMITMLAB_WERROR=ON -DMITMLAB_SANITIZE=ON >/dev/null
ninja -C "$top/build/gcc" --quiet

echo "== the suite"
exec ctest --test-dir "$top/build/gcc" --output-on-failure -j2 "$@"
