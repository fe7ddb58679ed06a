#!/bin/sh
# What Prometheus and Alertmanager themselves say: of /metrics, rules, their tests, configurations.
# Without their programs the checks are named and left out; with CI=true that is a failure.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
cd "$(dirname "$0")/.."

left_out=""
run() {
    if ! command -v "$1" >/dev/null; then
        left_out="$left_out $1"
        return
    fi
    said=$("$@" 2>&1) || {
        printf '%s\n' "$said" >&2
        exit 1
    }
}

if command -v promtool >/dev/null; then
    exposed=$(.venv/bin/python -m tests.deploy.exposed)
    printf '%s\n' "$exposed" | promtool check metrics
fi
run promtool check rules deploy/prometheus/rules/*.yml
run promtool check config --syntax-only deploy/prometheus/prometheus.yml
run promtool test rules tests/deploy/rules/*.yml
run amtool check-config deploy/alertmanager/alertmanager.yml

[ -n "$left_out" ] || exit 0
echo "Không có promtool hoặc amtool: chưa kiểm tra deploy/ (gói prometheus, prometheus-alertmanager)." >&2
echo "Without promtool or amtool deploy/ is not checked (packages prometheus, prometheus-alertmanager)." >&2
[ "${CI:-}" != true ]
