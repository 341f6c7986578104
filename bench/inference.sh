#!/usr/bin/env bash
# Tokens per second and time to the first token: through client, forwarder and runtime, beside the same engine, from the
# same image, with the same arguments, run bare. Interleaved rounds; targets: at least 0.97 ×, at most 5 ms more.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rounds=${ROUNDS:-15}
tokens=${TOKENS:-256}

build_image
start_daemon
enclaves+=(assistant)
gateway run "$work/assistant.eif" --name assistant --json > "$work/run.json"
write_policy "$work/policy.toml" "$work/run.json"
gateway connect "$(jq -r .listen "$work/run.json")" --policy "$work/policy.toml" --listen 127.0.0.1:0 --json \
  >"$work/connect.json" 2>"$work/connect.log" & pids+=($!)
for _ in $(seq 200); do grep -q listen "$work/connect.json" && break; sleep 0.05; done
gateway_url=http://$(jq -r .listen "$work/connect.json")/v1/completions
token=$(cat "$(jq -r .token_file "$work/run.json")")

# The engine bare: the image's own tree and command, in a plain bubblewrap without Gateway around it.
tree=$(dirname "$(find "$GATEWAY_STATE" -maxdepth 4 -type d -name rootfs | head -1)")
mkdir "$work/io"
mapfile -t argv < <(jq -r '.workload.argv[]' "$tree/gateway/image.json")
socket=$(jq -r '.ingress.socket' "$tree/gateway/image.json")
bwrap --ro-bind "$tree/rootfs" / --dev /dev --proc /proc --tmpfs /tmp --tmpfs /run --bind "$work/io" "$(dirname "$socket")" \
  --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv \
  $(jq -r '.workload.env // {} | to_entries[] | "--setenv \(.key) \(.value)"' "$tree/gateway/image.json") \
  "${argv[@]}" >"$work/engine.log" 2>&1 & pids+=($!)
for _ in $(seq 400); do
  curl -sf --unix-socket "$work/io/$(basename "$socket")" http://engine/health >/dev/null 2>&1 && break; sleep 0.05
done

ask() {  # NAME STREAM CURL-ARGS…: one request; prints its seconds to the first byte and in all
  local stream=$1; shift
  curl -sS -N -o "$work/answer" -w '%{time_starttransfer} %{time_total}\n' -H 'Content-Type: application/json' \
    -d "{\"prompt\":\"In the beginning\",\"max_tokens\":$tokens,\"temperature\":0,\"ignore_eos\":true,\"cache_prompt\":false,\"stream\":$stream}" "$@"
}
bare() { ask "$1" --unix-socket "$work/io/$(basename "$socket")" http://engine/v1/completions; }
attested() { ask "$1" -H "Authorization: Bearer $token" "$gateway_url"; }

bare false >/dev/null; attested false >/dev/null  # warm both
for ((round = 0; round < rounds; ++round)); do
  for side in bare attested; do
    read -r _ total < <($side false)
    count=$(jq .usage.completion_tokens "$work/answer")
    perl -e "printf \"%s_tokens_per_second %.3f\n\", '$side', $count / $total" >> "$work/samples"
    read -r first _ < <($side true)
    perl -e "printf \"%s_first_token_ms %.3f\n\", '$side', 1000 * $first" >> "$work/samples"
  done
done
medians "$work/samples"
perl -e 'printf "  throughput ratio %.3f (target >= 0.97), first token %+.2f ms (target <= +5)\n", $ARGV[0] / $ARGV[1], $ARGV[2] - $ARGV[3]' \
  "$(median_of "$work/samples" attested_tokens_per_second)" "$(median_of "$work/samples" bare_tokens_per_second)" \
  "$(median_of "$work/samples" attested_first_token_ms)" "$(median_of "$work/samples" bare_first_token_ms)"
