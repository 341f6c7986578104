#!/usr/bin/env bash
# Private inference in an attested enclave, from an image spec to an answer, and every way in which a host could cheat
# refused on the way. `./dev demo` and `gateway demo` run this; each step is an ordinary command that you can type.
#
# Everything happens in a folder of its own and is stopped at the end. Options: --keep leaves the folder.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
spec=${GATEWAY_DEMO_SPEC:-}
for candidate in "$spec" "$here/../examples/assistant/image.toml"; do
  [[ -n $candidate && -f $candidate ]] && { spec=$candidate; break; }
done
[[ -f $spec ]] || { echo "demo: examples/assistant/image.toml is missing beside the demo" >&2; exit 3; }
spec=$(readlink -f "$spec")
hostile_host=$(command -v gateway-hostile-host || echo "$here/../../../libexec/gateway/gateway-hostile-host")
keep=no
[[ ${1:-} == --keep ]] && keep=yes

work=$(mktemp -d "${TMPDIR:-/tmp}/gateway-demo.XXXXXX")
export GATEWAY_STATE=$work/state GATEWAY_SOCKET=$work/gatewayd.sock
pids=()

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' off=$'\e[0m'
else bold='' dim='' red='' green='' off=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
show() { printf '%s$ %s%s\n' "$dim" "${*//$work/.}" "$off"; }
run() { show "$@"; "$@"; }
fail() { printf '%sdemo: %s%s\n' "$red" "$*" "$off" >&2; exit 1; }

end_process() {  # PID: asks, waits, insists
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || true
}

stopped=no
stop_everything() {
  [[ $stopped == yes ]] && return
  stopped=yes
  local name pid
  for name in assistant tampered reconfigured; do gateway stop "$name" >/dev/null 2>&1 || true; done
  for pid in "${pids[@]}"; do end_process "$pid"; done
}
leave() {
  local status=$?
  stop_everything
  if [[ $status -ne 0 && -s $work/gatewayd.log ]]; then
    echo "demo: the end of gatewayd's log:" >&2; tail -n 15 "$work/gatewayd.log" >&2
  fi
  [[ $keep == yes ]] && echo "demo: kept $work" || rm -rf "$work"
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT TERM

wait_for() {  # FILE PATTERN SECONDS: prints the matching line
  for _ in $(seq $(($3 * 20))); do
    grep -m1 -E "$2" "$1" 2>/dev/null && return 0
    sleep 0.05
  done
  return 1
}

# An attack succeeds when the client affirms. Shows the refusal; anything but a refusal ends the demo.
refused() {  # WHAT EXPECTED_ID COMMAND…
  local what=$1 expected=$2 status=0; shift 2
  printf '\n%s%s%s\n' "$bold" "$what" "$off"
  show "$@"
  "$@" >"$work/refusal.out" 2>"$work/refusal.err" </dev/null || status=$?
  # The refused check in four lines: id, expected, found, what to do; a refusal without checks in two.
  grep -E -A1 "$expected|expected |found |what to do" "$work/refusal.err" | grep -v "^--" | awk "!seen[\$0]++" | head -4 | cut -c1-180 | sed 's/^/  /' || true
  # 1: the answer is no. 2: the policy itself is not one that could say yes.
  [[ $status -eq 1 || $status -eq 2 ]] || fail "this was not refused (exit status $status): $what"
  grep -qE "$expected" "$work/refusal.err" "$work/refusal.out" || fail "refused, but not by $expected: $what"
  printf '  %srefused%s (exit status %s)\n' "$green" "$off" "$status"
}

cd "$work"

step "1. Build the enclave image: llama.cpp's own server, a small language model, a kernel; all of it measured"
show gateway build "$spec" -o "$work/assistant.eif"
built=0
gateway build "$spec" -o "$work/assistant.eif" 2> >(tee build.err >&2) || built=$?
sleep 0.2  # for what tee still writes
if [[ $built -ne 0 ]]; then
  grep -q '^gateway: image\.lock\.version_gone' build.err || fail "the image was not built"
  # Debian's testing suite moves on. The spec keeps its lock; a copy of it, laid out as the lock names its inputs, is
  # resolved anew.
  resolved=$work/resolved/examples/assistant
  mkdir -p "$resolved" "$work/resolved/models"
  cp "$spec" "$(dirname "$spec")/image.lock" "$resolved/"
  cp "$(dirname "$spec")"/../../models/kjv-small.gguf "$work/resolved/models/"
  printf '\n%sNOTICE: the packages are resolved anew, so this image measures otherwise than the one that the lock pins.%s\n' "$bold" "$off"
  spec=$resolved/image.toml
  run gateway build "$spec" --update-lock -o "$work/assistant.eif"
  offered=${TMPDIR:-/tmp}/gateway-demo-image.lock
  cp "$resolved/image.lock" "$offered"
  printf '%sThe new lock is in %s: put it beside the spec to keep it.%s\n' "$bold" "$offered" "$off"
fi
step "   … and again, from the same lock: the same bytes"
run gateway build "$spec" -o "$work/again.eif" --json > /dev/null
cmp assistant.eif again.eif || fail "two builds from one lock differ"
sha256sum assistant.eif again.eif | sed 's/^/  /'
rm again.eif

step "2. Start the host's daemon and one enclave on the local platform"
show gatewayd
gatewayd >"$work/gatewayd.log" 2>&1 & pids+=($!)
for _ in $(seq 100); do [[ -S $GATEWAY_SOCKET ]] && break; sleep 0.05; done
[[ -S $GATEWAY_SOCKET ]] || fail "gatewayd did not start"
show gateway run assistant.eif --name assistant --json
gateway run assistant.eif --name assistant --json > run.json
jq . run.json
run gateway ps
listen=$(jq -r .listen run.json)
token_file=$(jq -r .token_file run.json)

step "3. Say what you accept: what the image measures to here, this configuration, this root; nothing else"
run gateway policy image assistant.eif --platform local --root "$(jq -r .root run.json)" \
  --config "$(jq -r .config run.json)" -o policy.toml
cat policy.toml

step "4. Check the enclave, and only then send a prompt"
show gateway connect "$listen" --policy policy.toml --listen 127.0.0.1:0
gateway connect "$listen" --policy policy.toml --listen 127.0.0.1:0 --json >connect.json 2>connect.log & pids+=($!)
wait_for connect.json '"listen"' 20 >/dev/null || { cat connect.log >&2; fail "gateway connect did not open its port"; }
cat connect.log
port=$(jq -r .listen connect.json)
prompt='And Moses said unto the people,'
show curl -N "http://$port/v1/completions" -H 'Authorization: Bearer …' -d "'{\"prompt\":\"$prompt\",\"stream\":true}'"
printf '\n  %s%s%s' "$bold" "$prompt" "$off"
curl -sS -N --fail-with-body "http://$port/v1/completions" -H "Authorization: Bearer $(cat "$token_file")" \
    -H 'Content-Type: application/json' \
    -d "$(jq -cn --arg p "$prompt" '{prompt: $p, stream: true, max_tokens: 96, temperature: 0.6, seed: 7}')" |
  tee answer.sse | sed -u -n 's/^data: {/{/p' | jq --unbuffered -j '.choices[0].text // empty'
printf '\n\n'
grep -q '^data: \[DONE\]' answer.sse || fail "the answer did not stream to its end"

step "5. Now the host cheats"
connect=(gateway connect)

show "(one byte of the image is changed)"
cp assistant.eif damaged.eif
printf '\x01' | dd of=damaged.eif bs=1 seek=$(($(stat -c %s damaged.eif) / 2)) conv=notrunc status=none
refused "5a. An image with one byte changed: its own checksum gives it away before it runs" \
  'eif\.crc' gateway run damaged.eif --name tampered

# A host that changes a byte and puts the image together again, every checksum right: 1024 becomes 1025.
folder=$(dirname "$spec")
mkdir -p tampered/examples/assistant
cp "$folder/image.lock" tampered/examples/assistant/
cp -r "$folder/../../models" tampered/models
sed 's/^max_tokens = 1024$/max_tokens = 1025/' "$spec" > tampered/examples/assistant/image.toml
cmp -s "$spec" tampered/examples/assistant/image.toml && fail "the spec has no max_tokens to change"
gateway build tampered/examples/assistant/image.toml -o tampered.eif >/dev/null 2>tampered.err ||
  { cat tampered.err >&2; fail "the changed image could not be built"; }
gateway run tampered.eif --name tampered --json > tampered.json
refused "    The same image put together again with one byte changed: it runs, but it is not the one that you measured" \
  'policy\.measurement' "${connect[@]}" "$(jq -r .listen tampered.json)" --policy policy.toml
gateway stop tampered >/dev/null

"$hostile_host" replay --listen 127.0.0.1:0 --upstream "$listen" >replay.log 2>&1 & pids+=($!)
attacker=$(wait_for replay.log 'listening on' 10 | sed 's/.*listening on //')
refused "5b. Evidence replayed from an earlier connection" \
  'binding\.' "${connect[@]}" "$attacker" --policy policy.toml

"$hostile_host" mitm --listen 127.0.0.1:0 --upstream "$listen" >mitm.log 2>&1 & pids+=($!)
attacker=$(wait_for mitm.log 'listening on' 10 | sed 's/.*listening on //')
refused "5c. A host that terminates TLS itself and relays genuine evidence" \
  'binding\.session' "${connect[@]}" "$attacker" --policy policy.toml

gateway config new --access-key-out changed.key -o changed.toml >/dev/null
gateway run assistant.eif --name reconfigured --config changed.toml --json > changed.json
refused "5d. A deployment configuration changed behind your back (another access key)" \
  'policy\.config' "${connect[@]}" "$(jq -r .listen changed.json)" --policy policy.toml
gateway stop reconfigured >/dev/null

sed '/^root/d' policy.toml > rootless.toml
refused "5e. A policy that names no root for platform local" \
  'policy\.' "${connect[@]}" "$listen" --policy rootless.toml

step "6. Stop everything"
run gateway stop assistant
stop_everything
left=$(pgrep -f "$work" || true)
[[ -z $left ]] || fail "still running: $left"
echo "  nothing is left running"

cat <<TXT

${bold}What to try next${off}
  gateway verify HOST:PORT --policy policy.toml     the same checks, without opening a port
  gateway inspect IMAGE.eif                         what is in an image, and what is measured
  gateway doctor                                    what this machine can do
  docs/threat-model.md                              every attack that is tested, and the id that refuses it
TXT
