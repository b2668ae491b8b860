# Shared by the scenarios: runs in L1, as root, with the package installed. Sourced.
# Each check prints one line: PASS what, FAIL what, or SKIP what: why.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
CONFIG=/etc/parclose
MUTANTS=/usr/libexec/parclose/mutants
LIBEXEC=/usr/libexec/parclose
BAD=0

say() { printf '\n-- %s (uptime %s)\n' "$*" "$(cut -d' ' -f1 /proc/uptime)"; }
pass() { echo "PASS $SCENARIO: $*"; }
fail() {
    echo "FAIL $SCENARIO: $*"
    BAD=1
}
# check WHAT COMMAND…
check() {
    local what=$1
    shift
    if "$@"; then pass "$what"; else fail "$what"; fi
}
# equal WHAT EXPECTED OBSERVED
equal() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1: expected '$2', observed '$3'"; fi; }

# wait_for SECONDS COMMAND…: until it succeeds; its own status at the end
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

finish() {
    [ $BAD = 0 ] || { say "what the daemons said"; tail -60 /var/log/parclose.log 2>/dev/null; dmesg | tail -15; }
    exit $BAD
}

# --- configuration ----------------------------------------------------------------------------------
# host_file [RUNG1_MS]: cards as the lab has them, named by what `parclose host init` finds
host_file() {
    mkdir -p $CONFIG/partitions
    rm -f $CONFIG/host.xml
    parclose host init || return
    [ $# = 0 ] || sed -i -E "s/(<rung number=\"1\" after-ms=\")[0-9]+/\1$1/" $CONFIG/host.xml
}

# partition NAME VCPUS MEMORY_MIB CMDLINE VF_ELEMENT…
partition() {
    local name=$1 vcpus=$2 memory=$3 cmdline=$4
    shift 4
    {
        echo "<partition vcpus=\"$vcpus\" memory-mib=\"$memory\" autostart=\"${AUTOSTART:-yes}\">"
        echo "  <kernel>${GUEST_KERNEL:-/l2/vmlinuz}</kernel>"
        echo "  <initrd>${GUEST_INITRD:-/l2/initrd}</initrd>"
        echo "  <cmdline>console=ttyS0 quiet panic=-1 mitigations=off $cmdline</cmdline>"
        [ $# = 0 ] || printf '  <vfs>\n' && printf '    %s\n' "$@" && [ $# = 0 ] || printf '  </vfs>\n'
        echo "</partition>"
    } >$CONFIG/partitions/"$name".xml
}

vf() { # CARD INDEX [ATTRIBUTES]
    echo "<vf card=\"$1\" index=\"$2\" ${3:-}/>"
}

# --- looking ----------------------------------------------------------------------------------------
field() { parclose show "$1" --json | jq -r "$2"; } # PARTITION JQ
phase() { field "$1" .phase; }
is_phase() { [ "$(phase "$1")" = "$2" ]; }
console() { parclose console "$1" --no-follow 2>/dev/null; }
guest_said() { console "$1" | grep -q "$2"; } # PARTITION PATTERN
guest_last() { console "$1" | grep "$2" | tail -1 | tr -d '\r'; }

# pids of our processes by kind: boot control command tcb sr-pcim lead
pid_of() { pgrep -x -o "parclose-$1"; }

# The two cards' first network and first NVMe PF, as host init named them
card_name() { parclose devices --json | jq -r "[.cards[] | select(.class==\"$1\")][0].name"; }
card_address() { parclose devices --json | jq -r "[.cards[] | select(.class==\"$1\")][0].address"; }
