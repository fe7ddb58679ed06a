#!/bin/sh
# The programs that tests start or compare with: as root on Debian, install those that are missing;
# otherwise name them, and the tests that need them are skipped. Installing starts no service.
set -eu
PATH="$PATH:/usr/sbin:/sbin"

missing=""
need() {
    command -v "$1" >/dev/null || missing="$missing $2"
}

need mosquitto mosquitto
need promtool prometheus
need prometheus-alertmanager prometheus-alertmanager
need openssl openssl
need pulseaudio pulseaudio
need pactl pulseaudio-utils
need strace strace
need ip iproute2
need nft nftables
need iperf3 iperf3
need irtt irtt
need tshark tshark
need chromium chromium
need npm npm
[ -n "$missing" ] || exit 0

# Debian asks this file before it starts a service; 101 forbids it.
policy=/usr/sbin/policy-rc.d
saved=""
restore_policy() {
    rm -f "$policy"
    if [ -n "$saved" ]; then mv "$saved" "$policy"; fi
}
forbid_services() {
    if [ -e "$policy" ]; then
        saved=$(mktemp "$policy.XXXXXX")
        mv "$policy" "$saved"
    fi
    trap restore_policy EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Đang cài cho các phép thử / installing for the tests:$missing"
    export DEBIAN_FRONTEND=noninteractive
    forbid_services
    # shellcheck disable=SC2086  # a list of packages
    if apt-get update -qq &&
        apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 $missing >/dev/null; then
        exit 0
    fi
    echo "apt-get không cài được / apt-get could not install:$missing" >&2
else
    echo "Thiếu chương trình cho các phép thử; hãy chạy: sudo apt-get install$missing" >&2
    echo "Programs for the tests are missing; run: sudo apt-get install$missing" >&2
fi
echo "Các phép thử cần chúng sẽ bị bỏ qua. / The tests that need them will be skipped." >&2
