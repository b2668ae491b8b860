#!/usr/bin/env bash
# with-storage.sh ROOT OUT: in OUT the packages that ROOT lacks for qemu-storage-daemon.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lists.sh"
. "$here/apt.sh"
lacking "$1" "$2" qemu-utils
