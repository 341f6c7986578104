#!/usr/bin/env bash
# Building an image of one gibibyte beside what cannot be done without: hashing it once and writing it once.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
folder=$(mktemp -d)
pids=(); trap 'rm -rf "$folder" "$work"' EXIT
rounds=${1:-3}

# Half of it compresses, as programs do; half does not, as weights do.
head -c 512M /dev/urandom > "$folder/weights"
head -c 512M < <(yes 'a line of text that repeats, as much in an image does') > "$folder/text"
cat > "$folder/image.toml" <<TOML
[image]
name = "big"
kernel = "none"
[[rootfs.files]]
from = "weights"
to = "/weights"
[[rootfs.files]]
from = "text"
to = "/text"
[[rootfs.files]]
from = "/bin/true"
to = "/bin/true"
mode = "0755"
[workload]
argv = ["/bin/true"]
[ingress]
port = 8080
paths = ["/*"]
[resources]
memory = "8GiB"
TOML
seconds() { local from=$EPOCHREALTIME; "$@" > /dev/null || return 1; local to=$EPOCHREALTIME; awk "BEGIN { print ($to - $from) }"; }
floor() { sha384sum "$folder/weights" "$folder/text" && cat "$folder/weights" "$folder/text" > "$folder/copy"; }
build() { gateway build "$folder/image.toml" -o "$folder/big.eif" --json; }
ours=() theirs=()
for ((i = 0; i < rounds; ++i)); do
  time=$(seconds floor)
  theirs+=("$time")
  rm -f "$folder/copy"
  time=$(seconds build)
  ours+=("$time")
done
printf 'build of 1 GiB: %s s; sha384sum and writing it: %s s (seconds, %s rounds)\n' "${ours[*]}" "${theirs[*]}" "$rounds"
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
awk "BEGIN { r = $(median "${ours[@]}") / $(median "${theirs[@]}"); printf \"ratio of medians %.2f (target 1.30): %s\n\", r, r <= 1.3 ? \"met\" : \"MISSED\" }"
