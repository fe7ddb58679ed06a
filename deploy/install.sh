#!/bin/sh
# Cài diemcau từ bộ cài này, không cần mạng / install diemcau from this bundle, without network:
#   sudo sh install.sh [/opt/diemcau]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
target=${1:-/opt/diemcau}
python=${PYTHON:-python3}

(cd "$here" && sha256sum --quiet -c SHA256SUMS)
"$python" -m venv "$target"
install_wheels() {
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
        --find-links "$here/wheels" "$@"
}
install_wheels --require-hashes -r "$here/run.txt"
install_wheels --no-deps --force-reinstall diemcau
echo "Đã cài vào / installed into $target: $("$target/bin/diemcau" --version)"
