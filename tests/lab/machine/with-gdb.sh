#!/usr/bin/env bash
# with-gdb.sh ROOT OUT: in OUT the packages that ROOT lacks for gdb.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lists.sh"
. "$here/apt.sh"
lacking "$1" "$2" gdb
