#!/bin/sh
# Make .venv if there is none that works, and bring it to one lock: scripts/venv.sh LOCK
# PYTHON names the interpreter; otherwise the first on the path that is new enough.
set -eu

lock=$1
venv=.venv

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    echo "Cần Python 3.11 trở lên: hãy cài gói python3, hoặc chỉ rõ bằng make PYTHON=/đường/dẫn/python3." >&2
    echo "Python 3.11 or newer is needed: install the package python3, or name one: make PYTHON=/path/to/python3." >&2
    exit 1
}

# Debian keeps ensurepip, without which there is no pip in a venv, in a package of its own.
need_ensurepip() {
    "$1" -c 'import ensurepip' 2>/dev/null && return
    package="python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Đang cài gói $package / installing the package $package"
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
                "$package" >/dev/null || true
        "$1" -c 'import ensurepip' 2>/dev/null && return
    fi
    echo "Thiếu gói $package. Hãy chạy: sudo apt-get install $package" >&2
    echo "The package $package is missing. Run: sudo apt-get install $package" >&2
    exit 1
}

if ! { new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    python=$(find_python)
    need_ensurepip "$python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Đang cài các gói trong $lock vào $venv / installing $lock into $venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    --no-deps --no-build-isolation --no-index -e .
