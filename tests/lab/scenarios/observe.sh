# What an operator sees of a guest that runs: Debian's gdb on `parclose debug` (steps, breakpoints, watchpoints, deaths of the
# monitor's processes meanwhile, gdb's own death), and on what `parclose dump` writes. Wants lab run --with gdb.
SCENARIO=observe
. /share/job.d/lib.sh

dpkg -i /share/gdb/*.deb >/tmp/dpkg 2>&1 || { fail "gdb is installed"; tail /tmp/dpkg; finish; }

sums() { guest_count g "L2: sums" "done"; }
# goes_on: the guest computes, and every sum was right
goes_on() {
    local was
    was=$(sums)
    wait_for 20 eval "[ \"\$(sums)\" -gt ${was:-0} ]" && [ "$(guest_count g "L2: sums" errors)" = 0 ]
}
# session: whether show says that gdb has it
session() { parclose show g | grep -q "^session "; }

# gdb SCRIPT: on the guest; what it says is in /tmp/said
gdb_on() {
    {
        printf 'set pagination off\nset confirm off\nset architecture i386:x86-64\ntarget remote | parclose debug g\n'
        cat
    } >/tmp/script
    timeout 120 gdb -nx -q -batch -x /tmp/script >/tmp/said 2>&1
}
said() { grep -qE "$1" /tmp/said; }
count_said() { grep -cE "$1" /tmp/said; }

cat >/tmp/kill-one <<'E2'
#!/bin/bash
# main or vcpu: one of that kind of the monitor of g
j=$(parclose show g --json)
vcpus=$(jq '.partition.vcpu_pids[]' <<<"$j")
if [ "$1" = vcpu ]; then kill -9 $(head -1 <<<"$vcpus"); else
    for child in $(pgrep -P "$(jq .partition.monitor_pid <<<"$j")"); do grep -qw "$child" <<<"$vcpus" || kill -9 "$child"; done
fi
echo "killed $1"
E2
chmod +x /tmp/kill-one

host_file || { fail "parclose host init"; finish; }
partition g 2 192 "sums pattern=PATTERN-OBSERVE-77"
parclose up --timeout 120 >/dev/null || { fail "parclose up"; finish; }
check "the guest computes" wait_for 90 guest_said g "L2: sums"

say "attach, look, step, leave"
gdb_on <<'E2'
info threads
thread 1
printf "sees %d bytes\n", sizeof(char [8]) + 0 * *(char *)$rip
x/2i $rip
x/8bx $rsp
printf "from %lx\n", $rip
stepi
printf "to %lx\n", $rip
thread 2
stepi
shell parclose show g | sed 's/^/show: /'
detach
E2
equal "gdb leaves without an error" 0 $?
equal "each vCPU is a thread" 2 "$(count_said 'vCPU [01]\)')"
check "it reads memory by the guest's own tables" said "sees 8 bytes"
check "a step goes on by an instruction" eval '[ "$(sed -n "s/^from //p" /tmp/said)" != "$(sed -n "s/^to //p" /tmp/said)" ] && said "^to "'
check "show says that a debugger has it" said "^show: session "
check "the guest goes on, and all its sums are right" goes_on
[ $BAD = 0 ] || cat /tmp/said

say "breakpoints and watchpoints"
gdb_on <<'E2'
set $a = $rip
stepi
hbreak *$a
continue
printf "hardware %d\n", $rip == $a
delete
break *$a
continue
printf "software %d\n", $rip == $a
delete
x/4bx $a
watch *(long *)($rsp - 8)
watch *(long *)$rsp
detach
E2
equal "gdb leaves without an error" 0 $?
check "a hardware breakpoint is hit" said "^hardware 1"
check "a software breakpoint is hit, and nothing was written into the guest" said "^software 1"
check "the guest goes on, and all its sums are right" goes_on
[ $BAD = 0 ] || cat /tmp/said

say "a process of the monitor dies while gdb has the guest"
gdb_on <<'E2'
set $a = $rip
shell /tmp/kill-one vcpu
shell sleep 1
printf "vcpu died %d\n", $rip == $a
stepi
hbreak *$a
shell (sleep 1; /tmp/kill-one vcpu) >/dev/null 2>&1 &
continue
printf "hit %d\n", $rip == $a
continue
printf "hit again %d\n", $rip == $a
shell /tmp/kill-one main
shell sleep 1
printf "main died %d\n", $rip == $a
delete
detach
E2
equal "gdb leaves without an error" 0 $?
for what in "vcpu died" hit "hit again" "main died"; do check "registers are as before: $what" said "^$what 1"; done
check "the guest goes on, and all its sums are right" goes_on
[ $BAD = 0 ] || cat /tmp/said

say "gdb is killed with a breakpoint in"
gdb_on <<'E2'
set $a = $rip
stepi
hbreak *$a
continue
shell kill -9 $PPID
E2
check "no session is left" wait_for 20 eval '! session'
check "the guest goes on, and all its sums are right" goes_on

say "dump"
check "parclose dump" parclose dump g /tmp/core
check "it is its owner's only" [ "$(stat -c %a /tmp/core)" = 600 ]
check "what the guest has in memory is in it" grep -qa "pattern=PATTERN-OBSERVE-77" /tmp/core
gdb -nx -q -batch -c /tmp/core -ex "info threads" -ex "info registers rip" -ex "thread 2" -ex "info registers rip" >/tmp/said 2>&1
equal "gdb sees both vCPUs and their registers" 2 "$(count_said '^rip +0x[0-9a-f]{6,}')"
[ $BAD = 0 ] || cat /tmp/said
check "the guest goes on, and all its sums are right" goes_on
adduser --quiet --disabled-password --gecos x tester && adduser --quiet tester parclose
check "an operator who is not root can look" eval 'su tester -c "parclose show g" >/dev/null'
check "but not dump" eval '! su tester -c "parclose dump g /tmp/x" 2>/tmp/err && grep -q root /tmp/err'
check "nor debug" eval '! su tester -c "parclose debug g </dev/null" 2>/tmp/err && grep -q root /tmp/err'
equal "the audit log has each session and dump" 5 "$(parclose audit --last 200 | grep -c session)"
[ $BAD = 0 ] || { parclose audit --last 30; cat /tmp/err; }
parclose stop g --force >/dev/null
parclose down --timeout 60
finish
