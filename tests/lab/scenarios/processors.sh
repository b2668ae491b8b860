# pCPUs of L1 (four: 0 is the host's) are taken offline under a guest that computes checksums and pings over its VF, and
# given back, ROUNDS times: an idle one takes its place. Then without an idle one, with control and with lead dead, and under
# shared processors. The emulator itself suffers when a vCPU moves between L1's processors (see README.md): what the guest
# counted is printed.
# processors.sh [ROUNDS]
SCENARIO=processors
. /share/job.d/lib.sh
ROUNDS=${1:-20}
SLICE=/sys/fs/cgroup/parclose.slice

switch() { echo "$2" >/sys/devices/system/cpu/cpu"$1"/online; } # PCPU 0|1
owned() { parclose list --all --json | jq -c "[.owners[] | select(.name==\"$1\") | .pcpus[]]"; } # OWNER
has() { [ "$(field "$1" .pcpus | jq -c .)" = "$2" ]; } # PARTITION PCPUS
is_owned() { [ "$(owned "$1")" = "$2" ]; }
cpuset() { cat $SLICE/"$1"/vcpus/"$2"/cpuset.cpus.effective; } # PARTITION VCPU
is_cpuset() { [ "$(cpuset "$1" "$2")" = "$3" ]; }
counted() { guest_count "$1" "sums done" done; }
goes_on() { # PARTITION: it computes more than a moment ago
    local before
    before=$(counted "$1")
    wait_for 30 eval "[ \"\$(counted $1)\" -gt ${before:-0} ]"
}

host_file || { fail "parclose host init"; finish; }
NET=$(card $NET_PF)
partition one 1 192 "addr=10.0.9.11/24 ping=10.0.9.1 sums" "$(vf "$NET" 0 'mac="52:54:00:00:01:00"')"
AUTOSTART=no partition two 2 128 ""
check "parclose up" parclose up --timeout 120
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$NET_PF/net)"
check "it computes" wait_for 180 guest_said one "sums done=[1-9].* cpus=1 least=[1-9]"
check "it pings over its VF" wait_for 60 guest_said one "ping sent=[1-9][0-9]* received=[1-9]"
spawner=$(field one .monitor_pid)

say "$ROUNDS times offline, replaced, online"
replaced=0 went_on=0 idle=0 right=0 slowest=0
for n in $(seq "$ROUNDS"); do
    was=$(field one '.pcpus[0]')
    start=$(date +%s%3N)
    switch "$was" 0 || { fail "pCPU $was cannot be taken offline"; break; }
    wait_for 20 is_owned offline "[$was]"
    is=$(field one '.pcpus[0]')
    [ "$is" != "$was" ] && wait_for 10 is_cpuset one 0 "$is" && replaced=$((replaced + 1))
    took=$(($(date +%s%3N) - start))
    [ $took -le $slowest ] || slowest=$took
    goes_on one && went_on=$((went_on + 1))
    parclose db check >/dev/null && right=$((right + 1))
    switch "$was" 1 && wait_for 20 is_owned offline "[]" && owned idle | grep -q "[[,]$was[],]" && idle=$((idle + 1))
    echo "round $n: pCPU $was offline, $is instead after $took ms; $(guest_last one "sums done" | cut -c1-60)"
done
equal "an idle pCPU took the place of each" "$ROUNDS" $replaced
equal "the guest went on each time" "$ROUNDS" $went_on
equal "each that came back was idle" "$ROUNDS" $idle
equal "parclose db check, each time" "$ROUNDS" $right
echo "slowest replacement: $slowest ms, with the CLI's questions"
check "within a second or so" [ $slowest -lt 5000 ]
equal "its spawner is the same" "$spawner" "$(field one .monitor_pid)"
equal "no wrong checksum" 0 "$(guest_count one "sums done" errors)"
guest_last one "ping sent"
equal "no ping lost" 0 "$(guest_count one "ping sent" lost)"
check "the audit log says each" [ "$(parclose audit --partition one | grep -c "went offline: vCPU 0 of partition one has")" -ge "$ROUNDS" ]

say "none is idle"
parclose start two --wait --timeout 60 >/dev/null || fail "two starts"
was=$(field one '.pcpus[0]')
switch "$was" 0
check "it goes on beside the host" wait_for 20 is_cpuset one 0 0
check "and says so" eval "field one .processors_problem | grep -q 'vCPU 0'"
parclose show one | grep -E "^(pcpus|processors)"
check "the guest goes on" goes_on one
check "parclose db check" parclose db check
switch "$was" 1
check "it has the pCPU again that came back" wait_for 20 is_cpuset one 0 "$was"
equal "nothing is wrong with it" null "$(field one .processors_problem)"
switch "$was" 0
check "none again" wait_for 20 is_cpuset one 0 0
parclose stop two --force >/dev/null || fail "two stops"
check "another partition's end mends it" wait_for 20 eval "has one '[1]' || has one '[2]' || has one '[3]'"
check "parclose db check" parclose db check
switch "$was" 1
check "one is idle" wait_for 20 is_owned offline "[]"

say "control and lead dead"
was=$(field one '.pcpus[0]')
kill -9 "$(pid_of control)"
switch "$was" 0
check "it is learnt when control is back" wait_for 30 is_owned offline "[$was]"
kill -9 "$(pid_of control)"
check "control is back" wait_for 30 all_alive
check "and knows" wait_for 20 is_owned offline "[$was]"
check "parclose db check" parclose db check
kill -9 "$(pid_of lead)"
switch "$was" 1
check "it is learnt when lead is back" wait_for 30 is_owned offline "[]"
was=$(field one '.pcpus[0]')
kill -9 "$(pid_of lead)"
switch "$was" 0
check "lead does what it missed" wait_for 30 eval "! has one '[$was]' && is_cpuset one 0 \"\$(field one '.pcpus[0]')\""
switch "$was" 1
wait_for 30 is_owned offline "[]"
check "the guest goes on" goes_on one
check "parclose db check" parclose db check
equal "no wrong checksum" 0 "$(guest_count one "sums done" errors)"
parclose stop one --force >/dev/null || fail "one stops"

say "shared processors"
sed -i 's|<cards>|<shared pcpus="2"/>\n  <cards>|' $CONFIG/host.xml
ATTRIBUTES='processors="shared"' AUTOSTART=no partition one 1 192 "sums"
check "two are shared" parclose reload
check "it runs on both" eval "parclose start one --wait --timeout 60 && wait_for 20 is_cpuset one 0 1-2"
switch 2 0
check "then on the one that is left" wait_for 20 is_cpuset one 0 1
check "it goes on" wait_for 120 goes_on one
check "parclose db check" parclose db check
switch 2 1
check "and on both again" wait_for 20 is_cpuset one 0 1-2
equal "which are shared" "[1,2]" "$(owned shared)"
parclose list --all
check "parclose db check" parclose db check
parclose down --timeout 60
finish
