#!/usr/bin/env bash
# The monitor alone, in the lab: stock guests under mini-lead, with VFs, deaths and wrong input.
# usage: tests/unit/monitor/in_lab.sh BUILD [option of `lab run`…]; one line a check, fails if one does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
build=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
strip -o "$work/parclose-monitor" "$build/src/monitor/parclose-monitor"
strip -o "$work/mini-lead" "$build/tests/unit/monitor/mini-lead"
{
    printf '%s\n' 'mkdir -p /tmp/m; cd /tmp/m' "base64 -d <<'EOF' | tar xz"
    tar cz -C "$work" parclose-monitor mini-lead | base64
    echo EOF
    cat tests/unit/monitor/lab_checks.sh
} >"$work/job.sh"
tests/lab/lab run --package none --timeout 400 "$@" "$work/job.sh"
