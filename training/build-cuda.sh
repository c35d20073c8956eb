#!/bin/sh
# Builds swarmd with the cargo feature `cuda` where the build machine cannot download the LLVM
# bundle that burn's CUDA code generator asks for: Debian's LLVM 22 stands in for it.
#
# Usage: training/build-cuda.sh [PROGRAM_FOLDER]
# Needs root once, for apt-get. The result starts without a driver; to use a card it needs the
# NVIDIA driver and libdevice from a CUDA toolkit (CUDA_PATH, /usr/local/cuda, /usr/lib/cuda).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
target=${1:-${CARGO_TARGET_DIR:-$root/target}-cuda}
bundle=tracel/tracel-llvm-23.1.0-4

if ! command -v llvm-config-22 >/dev/null; then
    apt-get update
    apt-get install --yes --no-install-recommends \
        llvm-22-dev libpolly-22-dev libz3-dev libzstd-dev zlib1g-dev libxml2-dev
fi

# The bundler skips its download where this marker lies, and then only asks this llvm-config.
data=$target/llvm-stand-in
mkdir -p "$data/$bundle/bin"
: >"$data/$bundle/.tracel-llvm-installed"
cat >"$data/$bundle/bin/llvm-config" <<'WRAPPER'
#!/bin/sh
# Debian prints the path of libz3.so among the system libraries, the linker wants -lz3.
llvm-config-22 "$@" | sed -E 's#[^ ]*/libz3\.so[^ ]*#-lz3#g'
WRAPPER
chmod +x "$data/$bundle/bin/llvm-config"

cd "$root"
XDG_DATA_HOME=$data CARGO_TARGET_DIR=$target cargo build --release --features cuda --package daemon
ls -l "$target/release/swarmd"
