# fish completion for gateway(1). Commands and flags are read from --help, so this file never falls behind.

function __gateway_command
    set -l found
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and break
        switch "$found"
            case '' policy ear token config release collateral verifier
                set -a found $word
            case '*'
                break
        end
    end
    string join \n -- $found
end

function __gateway_help --argument-names kind
    set -l command (__gateway_command)
    gateway $command --help 2>/dev/null | awk -v kind=$kind '
        function describe(word) { text = $0; sub(/^  [^ ]+ */, "", text); print word "\t" text }
        /^Subcommands:/ { commands = 1; next }
        /^[A-Z]/ { commands = 0 }
        kind == "commands" && commands && /^  [a-z]/ { describe($1) }
        kind == "flags" && /^  -/ { n = split($1, flags, ","); describe(flags[n]) }'
end

function __gateway_enclaves
    gateway ps --json 2>/dev/null | string match -rga '"name":"([^"]*)"'
end

function __gateway_wants_command
    set -l command (__gateway_command)
    test (count $command) -eq 0; and return 0
    test (count $command) -eq 1; and contains -- $command[1] policy ear token config release collateral verifier
end

complete -c gateway -f -n __gateway_wants_command -a '(__gateway_help commands)'
complete -c gateway -n 'string match -q -- "-*" (commandline -ct)' -a '(__gateway_help flags)'
complete -c gateway -n 'not __gateway_wants_command' -a '(__gateway_enclaves)'
