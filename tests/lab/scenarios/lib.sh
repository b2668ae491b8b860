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
        echo "<partition vcpus=\"$vcpus\" memory-mib=\"$memory\" autostart=\"${AUTOSTART:-yes}\" ${ATTRIBUTES:-}>"
        echo "  <kernel>${GUEST_KERNEL:-/l2/vmlinuz}</kernel>"
        [ "${GUEST_INITRD:-}" = none ] || echo "  <initrd>${GUEST_INITRD:-/l2/initrd}</initrd>"
        echo "  <cmdline>console=ttyS0 quiet panic=-1 mitigations=off $cmdline</cmdline>"
        [ $# = 0 ] || printf '  <vfs>\n' && printf '    %s\n' "$@" && [ $# = 0 ] || printf '  </vfs>\n'
        [ -z "${CHANNELS:-}" ] || echo "  <channels>$CHANNELS</channels>"
        echo "</partition>"
    } >$CONFIG/partitions/"$name".xml
}

vf() { # CARD INDEX [ATTRIBUTES]
    echo "<vf card=\"$1\" index=\"$2\" ${3:-}/>"
}

# card ADDRESS: the name that host.xml gives it
card() { sed -n "s/.*name=\"\([^\"]*\)\" address=\"$1\".*/\1/p" $CONFIG/host.xml; }
NET_PF=0000:01:00.0 NVME_PF=0000:03:00.0

# The two partitions of the main job: "one" has two vCPUs, an igb VF and an NVMe VF; "two" an igb VF.
# two_partitions WORDS_FOR_ONE WORDS_FOR_TWO
two_partitions() {
    local net nvme
    net=$(card $NET_PF) nvme=$(card $NVME_PF)
    partition one 2 256 "addr=10.0.9.11/24 $1" "$(vf "$nvme" 0 'nvme-queues="3" nvme-vectors="2"')" "$(vf "$net" 0 'mac="52:54:00:00:01:00"')"
    partition two 1 192 "addr=10.0.9.12/24 $2" "$(vf "$net" 1 'mac="52:54:00:00:01:01"')"
}

# --- looking ----------------------------------------------------------------------------------------
field() { parclose show "$1" --json | jq -r ".partition$2"; } # PARTITION JQ_PATH
phase() { field "$1" .phase; }
is_phase() { [ "$(phase "$1")" = "$2" ]; }
entered() { field "$1" ".states[] | select(.state==\"$2\") | .entered" | grep -qx true; } # PARTITION STATE
console() { parclose console "$1" --no-follow </dev/null 2>/dev/null | tr -d '\r'; }
guest_said() { console "$1" | grep -q "$2"; } # PARTITION PATTERN
# the last whole line with a pattern: one that is being written has no end yet
guest_last() { parclose console "$1" --no-follow </dev/null 2>/dev/null | grep "$2.*"$'\r$' | tail -1 | tr -d '\r'; }
# guest_count PARTITION LINE NAME: the number NAME=N in the last line with LINE
guest_count() { guest_last "$1" "$2" | grep -o "$3=[0-9]*" | cut -d= -f2; }

# pids_of KIND: the kernel keeps 15 bytes of a name
pids_of() { pgrep -x "$(cut -c1-15 <<<"parclose-$1")"; }
# pid_of KIND: boot control command tcb sr-pcim lead; the oldest is not a child of another one
pid_of() { pgrep -o -x "$(cut -c1-15 <<<"parclose-$1")"; }
KINDS="control command tcb sr-pcim lead"
none_left() {
    local kind
    for kind in boot holder monitor $KINDS; do [ -z "$(pids_of "$kind")" ] || return 1; done
}
all_alive() {
    local kind
    for kind in boot $KINDS; do pid_of "$kind" >/dev/null || return 1; done
    [ "$(parclose list --all --json | jq '[.processes[] | select(.health=="up")] | length')" -ge 5 ]
}

# mark NUMBER: into QEMU's trace of configuration writes (the host bridge's Interrupt Line: nobody's)
mark() { setpci -s 00:00.0 3c.b="$(printf %x "$1")"; }

# How many device writes the TCB has logged, in the plain lab's log or the journal
tcb_writes() { { cat /var/log/parclose.log 2>/dev/null; journalctl -q -u parclose --no-pager 2>/dev/null; } | grep -c "device write" || true; }

# mutant KIND NAME: from now on boot starts this executable for KIND; call before parclose up
mutant() { mount --bind "$MUTANTS/parclose-$1.$2" "$LIBEXEC/parclose-$1"; }

# --- the gate ---------------------------------------------------------------------------------------
driver_of() { basename "$(readlink /sys/bus/pci/devices/"$1"/driver)"; }
# ready ADDRESS: SR-PCIM judges the PF so
ready() { parclose devices --json | jq -e "[.cards[] | select(.address==\"$1\") | .readiness==\"ready\"] | all and length==1" >/dev/null; }
not_ready() { ! ready "$1"; }
both_ready() { ready $NET_PF && ready $NVME_PF; }
# exits PARTITION: KVM's exit counter of its VM, the sum over the vCPUs; "?" when there is none
exits() { cat /sys/kernel/debug/kvm/"$(field "$1" .monitor_pid)"-*/exits 2>/dev/null || echo '?'; }
# memory_hash PARTITION: of the guest's whole memory, read through its monitor's memfd
memory_hash() {
    local pid fd
    pid=$(field "$1" .monitor_pid)
    for fd in /proc/"$pid"/fd/*; do
        case $(readlink "$fd") in /memfd:guest*) md5sum <"$fd" && return ;; esac
    done
    echo "no guest memory found"
}


vf_status() { # CARD INDEX
    parclose devices --json | jq -r ".cards[] | select(.card==\"$1\") | .vfs[] | select(.index==$2) | .status"
}
vf_active() { [ "$(vf_status "$1" "$2")" = active ]; }

# only_the_gate: partition one is started and complete, with its NVMe VF open, but its NVMe PF has lost its driver: nothing
# but the gate is left between it and its processors. The NVMe driver keeps VFs over unbind; igb does not.
only_the_gate() {
    local net_driver
    net_driver=$(driver_of $NET_PF)
    echo $NET_PF >/sys/bus/pci/devices/$NET_PF/driver/unbind
    parclose start one
    check "one's NVMe VF is made ready while it waits" wait_for 30 vf_active "$(card $NVME_PF)" 0
    echo $NVME_PF >/sys/bus/pci/devices/$NVME_PF/driver/unbind
    wait_for 10 not_ready $NVME_PF
    echo $NET_PF >/sys/bus/pci/drivers/"$net_driver"/bind
    check "one's channels are complete" wait_for 60 entered one ChannelImage
}

# --- the hostile guest (tests/guest) ------------------------------------------------------------------
# attack SECONDS VCPUS ATTACKS SEED STEPS VF_ELEMENT…: partition "hostile" does so until it ends, or is ended; what it says is
# in /tmp/hostile
attack() {
    local seconds=$1 vcpus=$2 words="attacks=$3 seed=$4 steps=$5"
    shift 5
    GUEST_KERNEL=$LIBEXEC/tests/hostile-guest GUEST_INITRD=none AUTOSTART=no partition hostile "$vcpus" 64 "$words" "$@"
    parclose start hostile --wait --timeout 60 >/dev/null || return
    timeout "$seconds" parclose console hostile --follow </dev/null 2>/dev/null | tr -d '\r' >/tmp/hostile
    ended hostile || parclose stop hostile --force >/dev/null
    wait_for 20 ended hostile
}
ended() { is_phase "$1" defined || is_phase "$1" failed; }
# attack_done ATTACKS: each came to its end, and nothing that it looked at was broken
attack_done() {
    local name
    for name in ${1//,/ }; do grep -a "^H: $name done" /tmp/hostile || return; done
    ! grep -a "H: BROKEN" /tmp/hostile && grep -qa "^H: all done" /tmp/hostile
}
