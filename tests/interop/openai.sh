#!/usr/bin/env bash
# openai.sh GATEWAY ENCLAVE FOLDER: runs openai.mjs through `gateway connect`. 77: skipped.
set -euo pipefail
gateway=$1 enclave=$2 folder=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly package=openai@6.30.1

skip() { printf '\n*** SKIPPED: %s: the OpenAI client was NOT run ***\n\n' "$*" >&2; exit 77; }
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
command -v jq >/dev/null || skip "jq is not installed"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || skip "node is older than 20"

mkdir -p "$folder"
cd "$folder"
if [[ ! -d node_modules/openai || $(cat installed 2>/dev/null) != "$package" ]]; then
  npm install --no-audit --no-fund --no-save --ignore-scripts "$package" >npm.log 2>&1 ||
    { tail -5 npm.log >&2; skip "the npm registry is out of reach"; }
  echo "$package" > installed
fi
cp "$here/openai.mjs" .

pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
wait_for() {  # FILE: until it has a line
  for _ in $(seq 200); do [[ -s $1 ]] && return 0; sleep 0.05; done
  echo "openai.sh: nothing in $1" >&2; return 1
}

rm -f enclave.json connect.json
mkfifo -m 600 stop.$$
"$enclave" <stop.$$ >enclave.json & pids+=($!)
exec 9>stop.$$; rm stop.$$
wait_for enclave.json
head -1 enclave.json | jq -r '"[[accept]]
platform = \"local\"
root = \"\(.root)\"
measurements = { \"0\" = \"\(.measurements["0"])\", \"1\" = \"\(.measurements["1"])\", \"2\" = \"\(.measurements["2"])\" }
config = \"\(.config)\""' > policy.toml
"$gateway" connect "$(head -1 enclave.json | jq -r .endpoint)" --policy policy.toml --json >connect.json 2>connect.log &
pids+=($!)
wait_for connect.json || { cat connect.log >&2; exit 1; }
node openai.mjs "http://$(jq -r .listen connect.json)/v1"
for _ in $(seq 60); do grep -q '^cancelled' enclave.json && exit 0; sleep 0.05; done
echo "openai.sh: the enclave never learnt that its caller had left" >&2
exit 1
