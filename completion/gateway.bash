# bash completion for gateway(1). Commands and flags are read from --help, so this file never falls behind.

_gateway_words() {  # COMMAND…: the subcommands and flags that --help names
  gateway "$@" --help 2>/dev/null | awk '
    /^Subcommands:/ { commands = 1; next }
    /^[A-Z]/ { commands = 0 }
    commands && /^  [a-z]/ { print $1 }
    /^  -/ { n = split($1, flags, ","); for (i = 1; i <= n; i++) if (flags[i] ~ /^-/) print flags[i] }'
}

_gateway_enclaves() { gateway ps --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d'"' -f4; }

_gateway() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} word command=() i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ $word == -* ]] && break
    case ${command[*]} in
      '' | policy | ear | token | config | release | collateral | verifier) command+=("$word") ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  case $previous in
    --platform) COMPREPLY=($(compgen -W 'auto nitro local snp tdx sgx' -- "$current")); return ;;
    --vmm-type) COMPREPLY=($(compgen -W 'qemu ec2 gce' -- "$current")); return ;;
    --product) COMPREPLY=($(compgen -W 'Milan Genoa Turin' -- "$current")); return ;;
    --right) COMPREPLY=($(compgen -W 'call logs metrics' -- "$current")); return ;;
    --policy | --root | --collateral | --config | --tokens | --token-file | --key | --list | --release | --release-key | \
      --access-key | --access-key-out | --signature | --certificate | --to-be-signed | --newest | --against | --ear-key | --for | --tls-root | --runtime | --cache | --ovmf | --event-log | -o | --output)
      compopt -o filenames; COMPREPLY=($(compgen -f -- "$current")); return ;;
    --name | --id | --listen | --at | --nonce | --max-age | --report-data | --life | --grace | --version | --floor | --commit | --pccs | --kds | --proxy | --timeout) return ;;
  esac
  if [[ $current == -* || ${#command[@]} -eq 0 || " policy ear token config release collateral verifier " == *" ${command[*]} "* ]]; then
    COMPREPLY=($(compgen -W "$(_gateway_words "${command[@]}")" -- "$current"))
    [[ $current != -* ]] && COMPREPLY=($(printf '%s\n' "${COMPREPLY[@]}" | grep -v '^-'))
    return
  fi
  case ${command[0]} in
    logs | stop | token) COMPREPLY=($(compgen -W "$(_gateway_enclaves)" -- "$current")) ;;
    connect | verify | inspect)
      compopt -o filenames; COMPREPLY=($(compgen -W "$(_gateway_enclaves)" -- "$current") $(compgen -f -- "$current")) ;;
    build | sign | run | policy | ear | config | release) compopt -o filenames; COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -F _gateway gateway
