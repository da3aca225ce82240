#!/bin/sh
# From a bare machine to a running lab:
#     sh labs/try.sh lab03 [options of mitmlab run]
# Installs what is missing, builds into build/, runs the lab.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/labs/packages.sh"

# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES || exit $?

if [ ! -f "$top/build/build.ninja" ]; then
    cmake -G Ninja -S "$top" -B "$top/build" -DMITMLAB_TESTS=OFF >&2
fi
ninja -C "$top/build" --quiet >&2 || ninja -C "$top/build" >&2

[ $# -gt 0 ] || exec "$top/build/mitmlab"
exec "$top/build/mitmlab" run "$@"
