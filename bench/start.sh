#!/usr/bin/env bash
# `gateway run` of the demo's image, already in the store, to its first attested answer; beside it the engine's own
# loading, bare. Target: the difference under 300 ms.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rounds=${ROUNDS:-11}

build_image
start_daemon
gateway config new --access-key-out "$work/access.key" -o "$work/config.toml" >/dev/null
gateway run "$work/assistant.eif" --name warm --config "$work/config.toml" --json > "$work/run.json"
write_policy "$work/policy.toml" "$work/run.json"
tree=$(dirname "$(find "$GATEWAY_STATE" -maxdepth 4 -type d -name rootfs | head -1)")
mapfile -t argv < <(jq -r '.workload.argv[]' "$tree/gateway/image.json")
socket=$(jq -r '.ingress.socket' "$tree/gateway/image.json")
gateway stop warm >/dev/null

for ((round = 0; round < rounds; ++round)); do
  enclaves=("start$round")
  from=$(now_ms)
  gateway run "$work/assistant.eif" --name "start$round" --config "$work/config.toml" --json > "$work/run.json"
  gateway verify "$(jq -r .listen "$work/run.json")" --policy "$work/policy.toml" --json >/dev/null
  echo "run_to_attested_answer_ms $(($(now_ms) - from))" >> "$work/samples"
  gateway stop "start$round" >/dev/null; enclaves=()

  mkdir "$work/io$round"
  from=$(now_ms)
  bwrap --ro-bind "$tree/rootfs" / --dev /dev --proc /proc --tmpfs /tmp --tmpfs /run \
    --bind "$work/io$round" "$(dirname "$socket")" --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv \
    "${argv[@]}" >"$work/engine.log" 2>&1 & engine=$!
  until curl -sf --unix-socket "$work/io$round/$(basename "$socket")" http://engine/health >/dev/null 2>&1; do sleep 0.005; done
  echo "engine_loading_bare_ms $(($(now_ms) - from))" >> "$work/samples"
  kill "$engine"; wait "$engine" 2>/dev/null || true
done
medians "$work/samples"
echo "  apart from the engine: $(($(median_of "$work/samples" run_to_attested_answer_ms) - $(median_of "$work/samples" engine_loading_bare_ms))) ms (target < 300)"
