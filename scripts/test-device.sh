#!/usr/bin/env bash
# Runs every test of the engine on a device and leaves what they said in a file: `scripts/test-device.sh cuda [FILE]`, on
# a machine that has it and its compiler (CUDA: nvcc and the driver; the kernels of candle take some 15 minutes the first
# time). `metal` likewise. `cpu` runs them where they run anyway, and `plain` on the CPU with the kernels that the other
# devices have.
#
# What is compared is what is compared on the CPU: TRL's losses, gradients, trajectories and answers, finite differences,
# blocks against the floats they stand for, resumed runs against whole ones, exports read again.
set -euo pipefail
cd "$(dirname "$0")/.."

device=${1:-}
file=${2:-test-device-$device.txt}
features=()
case $device in
cuda | metal) features=(--features "$device") ;;
cpu | plain) ;;
*)
    printf 'usage: scripts/test-device.sh cuda|metal|cpu|plain [FILE]\n' >&2
    exit 2
    ;;
esac
if [ "$device" = plain ]; then
    export TIEBREAK_KERNELS=plain TIEBREAK_TEST_DEVICE=cpu
else
    export TIEBREAK_TEST_DEVICE=$device
fi

describe() {
    printf 'Tests of the engine on %s, %s\n' "$device" "$(date -u +%Y-%m-%dT%H:%MZ)"
    printf 'commit: %s\n' "$(git describe --always --dirty 2>/dev/null || printf unknown)"
    printf 'system: %s\n' "$(uname -srm)"
    rustc --version
    case $device in
    cuda) nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader ;;
    metal) system_profiler SPDisplaysDataType | sed -n 's/^ *Chipset Model: //p' ;;
    esac
    printf '\n'
}

describe | tee "$file"
status=0
tests=(base_dtypes decoder device failure gguf_families golden merged options parity products quantised resume samples selection weights)
mapfile -t targets < <(printf -- '--test\n%s\n' "${tests[@]}")
# Several tests at once would fight for a device's memory.
threads=()
[ ${#features[@]} -eq 0 ] || threads=(--test-threads=1)
cargo test --locked --workspace --no-fail-fast "${features[@]}" --lib "${targets[@]}" -- --show-output "${threads[@]}" 2>&1 |
    tee -a "$file" || status=$?
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "\nAll together: %d passed, %d failed, %d ignored.\n", passed, failed, ignored }' "$file" | tee -a "$file"
exit "$status"
