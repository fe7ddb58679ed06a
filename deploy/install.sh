#!/bin/sh
# Cài diemcau từ bộ cài này, không cần mạng / install diemcau from this bundle, without network:
#   sudo sh install.sh [/opt/diemcau]
# PYTHON=… chọn Python khác; BIN=… nơi đặt lệnh, BIN= thì không / another Python; where the commands are linked, if anywhere.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
target=${1:-/opt/diemcau}
python=${PYTHON:-python3}
bin=${BIN-/usr/local/bin}

(cd "$here" && sha256sum --quiet -c SHA256SUMS)
wanted=$(cat "$here/python-version")
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$found" != "$wanted" ]; then
    echo "Bộ cài này dành cho Python $wanted, máy này có $found: chạy lại với PYTHON=/đường/dẫn/python$wanted" >&2
    echo "This bundle is for Python $wanted, here is $found: run it with PYTHON=/path/to/python$wanted" >&2
    exit 1
fi
"$python" -m venv "$target"
target=$(CDPATH='' cd -- "$target" && pwd)
install_wheels() {
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
        --find-links "$here/wheels" "$@"
}
install_wheels --require-hashes -r "$here/run.txt"
install_wheels --no-deps --force-reinstall diemcau
if [ -n "$bin" ]; then
    for name in diemcau diemcau-server diemcau-agent; do
        ln -sfn "$target/bin/$name" "$bin/$name"
    done
fi
echo "Đã cài vào / installed into $target: $("$target/bin/diemcau" --version)"
