#!/bin/sh
# manual.sh PROGRAM FOLDER: the files that an installation puts beside the
# program, written by the program itself. The build calls it.
set -eu
program=$1 folder=$2
mkdir -p "$folder"
for shell in bash fish; do
    "$program" completions $shell >"$folder/mitmlab.$shell"
done
"$program" completions zsh >"$folder/_mitmlab"
sed -n 's/^COMMAND("\([a-z]*\)".*/\1/p' "$(dirname "$0")/commands.def" |
while read -r name; do
    # hidden commands have no page
    "$program" completions man "$name" >"$folder/mitmlab-$name.1" 2>/dev/null ||
        rm -f "$folder/mitmlab-$name.1"
done
# last: it says that all stand
"$program" completions man >"$folder/mitmlab.1"
