#!/usr/bin/env bash
# with-uefi.sh ROOT OUT: in OUT the packages that ROOT lacks for mtools: a disk that UEFI starts from.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lists.sh"
. "$here/apt.sh"
lacking "$1" "$2" mtools
