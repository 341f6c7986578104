# Shared by the scripts here: a daemon of their own in a temporary folder, and medians of interleaved rounds.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/gateway-bench.XXXXXX")
export GATEWAY_STATE=$work/state GATEWAY_SOCKET=$work/gatewayd.sock
pids=()
enclaves=()

leave() {
  local status=$? name pid
  for name in "${enclaves[@]}"; do gateway stop "$name" >/dev/null 2>&1 || true; done
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  [[ $status -eq 0 ]] || tail -n 20 "$work"/*.log >&2 || true
  rm -rf "$work"
  exit "$status"
}
trap leave EXIT

start_daemon() {
  gatewayd >"$work/gatewayd.log" 2>&1 & pids+=($!)
  for _ in $(seq 100); do [[ -S $GATEWAY_SOCKET ]] && return; sleep 0.05; done
  echo "bench: gatewayd did not start" >&2; return 1
}

# The demo's image, built once per checkout of the same lock.
build_image() {
  gateway build "$here/../examples/assistant/image.toml" -o "$work/assistant.eif" >/dev/null 2>"$work/build.log"
}

write_policy() {  # FILE RUN_JSON
  jq -r '"[[accept]]\nplatform = \"local\"\nroot = \"\(.root)\"\nmeasurements = { \"0\" = \"\(.measurements["0"])\", \"1\" = \"\(.measurements["1"])\", \"2\" = \"\(.measurements["2"])\" }\nconfig = \"\(.config)\"\nmax_age = \"60m\""' "$2" > "$1"
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# Reads "NAME VALUE" lines; prints per name the median, minimum and maximum, and their count.
medians() {
  perl -e 'while (<>) { my ($n, $v) = split; push @{$s{$n}}, $v; push @o, $n unless $seen{$n}++ }
    for my $n (@o) { my @v = sort { $a <=> $b } @{$s{$n}};
      printf "  %-34s median %10.3f   min %10.3f   max %10.3f   rounds %d\n", $n, $v[@v/2], $v[0], $v[-1], scalar @v }' "$@"
}
median_of() {  # FILE NAME
  perl -e 'my ($f, $w) = @ARGV; open F, $f; while (<F>) { my ($n, $v) = split; push @v, $v if $n eq $w }
    @v = sort { $a <=> $b } @v; print $v[@v/2]' "$1" "$2"
}
