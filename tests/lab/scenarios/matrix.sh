# The fault matrix: events by cards by what the partition does meanwhile. What is expected of each cell is in
# matrix.expected, written before its first run; what was seen last is in tests/faults/matrix.results.
# matrix.sh CELL…: EVENT[+EVENT]:CARD:STATE. Each prints one line, PASS or FAIL, with its figures.
#   EVENT  what happens to CARD's PF, from outside, or to a process
#   CARD   igb or nvme; the partition has a VF of each, pings over the first and writes to the second (its driver's time-out
#          is 5 s, not 30: that is how long it takes to look at a controller that has forgotten it, scenario resets)
#   STATE  running, starting (the event follows `parclose start` at once), or waiting (for the other card's PF)
# Seen is one of
#   unharmed    the same guest, nothing lost, no I/O error
#   outage      the same guest, no I/O error; pings were lost, or a write took over a second; all flows again
#   io-errors   the same guest, which saw errors; all flows again
#   dead-vf     the same guest; a VF does not come back within 90 s
#   runs        (starting, waiting) it comes up, and all flows
#   ended       its monitor is gone, and it can be started again
#   stuck       none of these
# with "+blocked" when who caused it still hangs in the kernel once all else is over, and is free as soon as the VF is.
# How long an outage was: the longest time in which the guest had no answer to its pings, or waited for a write.
SCENARIO=matrix
. /share/job.d/lib.sh

# The partition pings the second igb card's PF, to which nothing happens.
PEER_PF=0000:02:00.0
declare -A PF=([igb]=$NET_PF [nvme]=$NVME_PF) OTHER=([igb]=nvme [nvme]=igb)
WRITERS=() # what was set off and may hang in the kernel

# --- events: what it does, and what takes it back -----------------------------------------------------
aside() { "$@" & WRITERS+=($!); }
sysfs() { echo "$1" 2>/dev/null >"/sys/bus/pci/devices/$2"; }
bind() { [ -e "/sys/bus/pci/devices/$1/driver" ] || echo "$1" 2>/dev/null >"/sys/bus/pci/drivers/$2/bind"; }
netdev() { ls "/sys/bus/pci/devices/$1/net"; }
monitor_is() { [ "$(field one .monitor_pid)" -gt 0 ]; }

# aer CARD BITS: of the uncorrectable error status; the struct of Linux drivers/pci/pcie/aer_inject.c
aer() {
    local bus
    bus=$(cut -d: -f2 <<<"${PF[$1]}")
    modprobe aer_inject aer_mask_override=1
    printf "\x$bus\0\0\0\x$(printf %02x $(($2 & 255)))\x$(printf %02x $(($2 >> 8)))\0\0$(printf '\\0%.0s' {1..24})" >/dev/aer_inject
}

fire() { # EVENT CARD
    local pf=${PF[$2]}
    case $1 in
    down) ip link set "$(netdev "$pf")" down ;;
    unbind) aside sysfs "$pf" "$pf/driver/unbind" ;;
    reset) aside sysfs 1 "$pf/reset" ;;
    numvfs) aside sysfs 0 "$pf/sriov_numvfs" ;;
    aer-fatal) aer "$2" 0x10 ;;
    aer-nonfatal) aer "$2" 0x1000 ;;
    monitor) wait_for 20 monitor_is && kill -9 "$(field one .monitor_pid)" ;;
    *) kill -9 "$(pid_of "$1")" ;;
    esac
}
take_back() {
    local pf=${PF[$2]}
    case $1 in
    down) ip link set "$(netdev "$pf")" up ;;
    unbind) aside bind "$pf" "$2" ;; # it waits for the unbinding
    esac
}

# --- the partition ------------------------------------------------------------------------------------
pings() { guest_count one "ping sent" "$1"; }
writes() { guest_count one "nvme writes" "$1"; }
more() { # WAS NOW
    [ -n "$2" ] && [ "$2" -gt "${1:-0}" ]
}
flows() { # both go on
    local received written
    received=$(pings received) written=$(writes writes)
    wait_for 8 eval 'more "$received" "$(pings received)" && more "$written" "$(writes writes)"'
}
longest_wait() { # ms
    local silent worst
    silent=$(pings silent_ms) worst=$(writes worst_ms)
    echo $((silent > worst ? silent : worst))
}
up() { is_phase one running && guest_said one "nvme writes=[1-9]" && guest_said one "received=[1-9]"; }
comes_up() { wait_for "$1" up && flows; }
unheld() { local pid; for pid in "${WRITERS[@]}"; do [ ! -e "/proc/$pid" ] || return; done; }

ended_now() {
    [ "$(phase one)" = defined ] || parclose stop one --force >/dev/null 2>&1
    wait_for 40 eval 'is_phase one defined || is_phase one failed'
}

prepare() { # CARD STATE
    local other=${PF[${OTHER[$1]}]}
    # its worst write and silence are of all its life: one that had an outage begins anew
    [ "$2" != running ] || { up && flows && [ "$(longest_wait)" -lt 1000 ] && return; }
    ended_now
    wait_for 60 both_ready || return
    case $2 in
    waiting)
        sysfs "$other" "$other/driver/unbind"
        wait_for 20 not_ready "$other" && parclose start one >/dev/null && wait_for 30 vf_active "$(card "${PF[$1]}")" 0 ;;
    starting) parclose start one >/dev/null ;;
    running) parclose start one >/dev/null && comes_up 120 ;;
    esac
}

# what became of it: a word of the list above
seen_running() { # SPAWNER
    if [ "$(field one .monitor_pid)" != "$1" ]; then
        seen_ended
    elif ! wait_for 90 flows; then
        echo dead-vf
    elif [ $(($(writes errors) - errors)) -gt 0 ]; then
        echo io-errors
    else
        sleep 6 # a ping is lost after five seconds
        [ $(($(pings lost) - lost)) = 0 ] && [ "$(writes worst_ms)" -lt 1000 ] && echo unharmed || echo outage
    fi
}
seen_ended() {
    wait_for 20 eval 'is_phase one failed || is_phase one defined' && wait_for 60 both_ready &&
        parclose start one >/dev/null 2>&1 && comes_up 120 && echo ended || echo stuck
}
seen_starting() {
    wait_for 150 eval 'up || is_phase one failed'
    up && flows && echo runs || { is_phase one failed && seen_ended || echo stuck; }
}

how_long() { # SEEN
    case $1 in
    outage* | io-errors*) echo "outage $(longest_wait) ms" ;;
    unharmed*) echo "no outage, longest wait $(longest_wait) ms" ;;
    runs*) echo "no outage: it had not begun" ;;
    ended*) echo "outage until it was started again" ;;
    *) echo "outage not over" ;;
    esac
}

# --- a cell -------------------------------------------------------------------------------------------
expected_of() { sed -n "s/^$1 //p" /share/job.d/matrix.expected; }

cell() { # CELL
    local events card state expected seen spawner start lost errors blocked=
    IFS=: read -r events card state <<<"$1"
    expected=$(expected_of "$1")
    say "$1, expected: $expected"
    case $expected in impossible:*) echo "SKIP $SCENARIO: $1: $expected"; return ;; esac
    [ -n "$expected" ] || { fail "$1: expected nothing: no such cell"; return; }
    prepare "$card" "$state" || { fail "$1: expected $expected, observed nothing: it could not be prepared: $(phase one)"; return; }
    WRITERS=()
    spawner=$(field one .monitor_pid) lost=$(pings lost) errors=$(writes errors) start=$(date +%s%3N)
    fire_all "$events" "$card"
    sleep 2
    take_back_all "$events" "$card"
    [ "$state" != waiting ] || bind "${PF[${OTHER[$card]}]}" "${OTHER[$card]}"
    if [ "$state" = running ]; then seen=$(seen_running "$spawner"); else seen=$(seen_starting); fi
    [ "$(field one .monitor_pid)" = "$spawner" ] || lost=0 errors=0 # a new guest counts from 0
    local figures
    figures="$(how_long "$seen"), lost pings $(($(pings lost) - ${lost:-0})), errors $(($(writes errors) - ${errors:-0})), worst write $(writes worst_ms) ms, seen after $(($(date +%s%3N) - start)) ms"
    unheld || { blocked=+blocked; ended_now; }
    wait_for 20 unheld || blocked+=+for-ever
    take_back_all "$events" "$card"
    equal_cell "$1" "$expected" "$seen$blocked" "$figures"
    after "$1"
}
take_back_all() { local event; for event in ${1//+/ }; do take_back "$event" "$2"; done; }
fire_all() { local event; for event in ${1//+/ }; do fire "$event" "$2"; sleep 0.5; done; }
equal_cell() {
    if [ "$2" = "$3" ]; then pass "$1: expected $2, observed $3, $4"; else
        fail "$1: expected $2, observed $3, $4"
        diagnose
    fi
}
stacks() { # of who hangs in the kernel
    local pid
    for pid in $(ps -e -o pid=,stat= | awk '$2 ~ /^D/ { print $1 }'); do
        echo "-- $pid $(cat "/proc/$pid/comm" "/proc/$pid/stack" 2>/dev/null)"
    done
}
diagnose() {
    stacks
    parclose show one | head -30
    parclose devices
    console one | tail -8
    parclose audit | tail -40
    grep -v -e "command: uid" -e "device write: .*\(driver_override\|drivers_probe\)" /var/log/parclose.log | tail -40
    dmesg | tail -70
}
in_errors() { parclose devices --json | jq -e '[.cards[] | .readiness == "errors"] | any' >/dev/null; }
# the host is as before, but for a partition that runs and may go on: not while a PF needs its VFs back, because the kernel has not
# recovered it from an error (a VF without a driver is enough for that), and its driver is to begin anew
after() { # CELL
    ! in_errors || ended_now
    wait_for 60 eval 'both_ready && all_alive' && parclose db check >/dev/null && return
    fail "$1: afterwards the host is not well"
    diagnose
    exit 1
}

host_file 20000 || { fail "parclose host init"; finish; }
export AUTOSTART=no
partition one 1 192 "addr=10.0.9.11/24 ping=10.0.9.1 keep nvme=loop nvme_core.io_timeout=5" "$(vf "$(card $NVME_PF)" 0)" \
    "$(vf "$(card $NET_PF)" 0 'mac="52:54:00:00:01:00"')"
parclose up --timeout 120 >/dev/null || { fail "parclose up"; finish; }
wait_for 60 both_ready || { fail "both PFs are ready"; finish; }
ip addr replace 10.0.9.1/24 dev "$(netdev $PEER_PF)" && ip link set "$(netdev $PEER_PF)" up
for cell in "$@"; do cell "$cell"; done
parclose stop one --force >/dev/null 2>&1
parclose down --timeout 60
exit $BAD
