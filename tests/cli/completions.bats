#!/usr/bin/env bats
# Completions and manual pages are made of the tables behind --help: shells
# accept them, and they offer what there is.

load common

bash_offers() { # WORD... the last one is to be completed
    PATH=$(dirname "$MITMLAB"):$PATH bash -c '
        eval "$(mitmlab completions bash)"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _mitmlab
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

@test "bash is offered commands, options and labs" {
    [ "$(bash_offers mitmlab ru)" = run ]
    [ "$(bash_offers mitmlab run --se)" = --seed ]
    [ "$(bash_offers mitmlab info lab1 | head -1)" = lab13 ]
    bash_offers mitmlab proxy --up | grep -qx -e --upstream-ca
}

@test "bash offers nothing where only the trainee knows" {
    [ -z "$(bash_offers mitmlab run --seed '')" ]
}

@test "bash offers files where a file is wanted" {
    cd "$BATS_TEST_TMPDIR"
    touch rules.lua
    [ "$(bash_offers mitmlab proxy --script ru)" = rules.lua ]
}

@test "zsh and fish can read theirs" {
    command -v zsh || lacks zsh
    command -v fish || lacks fish
    "$MITMLAB" completions zsh >"$BATS_TEST_TMPDIR/_mitmlab"
    zsh -n "$BATS_TEST_TMPDIR/_mitmlab"
    "$MITMLAB" completions fish >"$BATS_TEST_TMPDIR/mitmlab.fish"
    PATH=$(dirname "$MITMLAB"):$PATH fish -c "
        source '$BATS_TEST_TMPDIR/mitmlab.fish'
        complete -C 'mitmlab run --se'" | grep -q '^--seed'
}

@test "every page is good roff and names every option" {
    command -v mandoc || lacks mandoc
    for name in run proxy cert; do
        "$MITMLAB" completions man "$name" >"$BATS_TEST_TMPDIR/$name.1"
        mandoc -T lint -W error "$BATS_TEST_TMPDIR/$name.1"
        "$MITMLAB" "$name" --help | grep -o -e ' --[a-z0-9-]*' | sort -u |
            while read -r option; do
                tr -d '\\' <"$BATS_TEST_TMPDIR/$name.1" |
                    grep -q -e "$option"
            done
    done
}

@test "what it cannot write is said with the usage code" {
    run "$MITMLAB" completions tcsh
    [ "$status" -eq 2 ]
    [[ "$output" = *"bash, zsh, fish"* ]]
    run "$MITMLAB" completions man nothing
    [ "$status" -eq 2 ]
}
