#!/usr/bin/env bats
# What `cmake --install` leaves runs by itself: from any folder, without the
# tree that it was built from, and after it was moved.

setup() {
    cd "$BATS_TEST_TMPDIR"
    cmake --install "$(dirname "$MITMLAB")" --prefix "$PWD/first" >/dev/null
    mv first moved
    installed=$PWD/moved
    mkdir elsewhere
    cd elsewhere
}

@test "an installed program finds its labs and victims beside itself" {
    "$installed/bin/mitmlab" list | grep -q "^lab13"
    for lab in 01 13 14; do
        run "$installed/bin/mitmlab" run "lab$lab" --bare --no-input --out out
        [ "$status" -eq 0 ]
    done
}

@test "it names neither the tree nor the folder that it was built in" {
    tree=$(readlink -f "$(dirname "$MITMLAB")/lessons/..")
    run grep -rlaF -e "$tree/labs" -e "$(dirname "$MITMLAB")/lessons" \
        "$installed/share" "$installed/libexec"
    [ -z "$output" ]
    if unshare -Urm true; then # the tree away, for real
        unshare -Urm sh -c "mount -t tmpfs tmpfs '$tree' &&
            '$installed/bin/mitmlab' run lab13 --bare --no-input --out out" \
            >/dev/null
    fi
}

@test "manual pages and completions are installed with it" {
    for file in man/man1/mitmlab.1 man/man1/mitmlab-run.1 \
        bash-completion/completions/mitmlab zsh/site-functions/_mitmlab \
        fish/vendor_completions.d/mitmlab.fish; do
        [ -s "$installed/share/$file" ]
    done
}

@test "a link to it is as good" {
    mkdir bin
    ln -s "$installed/bin/mitmlab" bin/mitmlab
    PATH=$PWD/bin:$PATH mitmlab info lab03 | grep -q "The page that lied"
}
