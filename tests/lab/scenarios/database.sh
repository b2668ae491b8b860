# The resource database against what is: memory of the node's pool of huge pages, all of it or a clear refusal; the map
# compared with the kernel's files; the log rotated, verified, damaged, cut.
# database.sh
SCENARIO=database
. /share/job.d/lib.sh
POOL=/sys/devices/system/node/node0/hugepages/hugepages-2048kB

host_file || { fail "parclose host init"; finish; }
sed -i -E 's/(segment-mib=")[0-9]+/\11/' $CONFIG/host.xml
equal "segments of one MiB" 1 "$(grep -c 'segment-mib="1"' $CONFIG/host.xml)"
say "huge pages"
echo 160 >$POOL/nr_hugepages
equal "the host has a pool of 160 huge pages" 160 "$(cat $POOL/nr_hugepages)"
ATTRIBUTES='huge-pages="2MiB"' partition one 1 256 "addr=10.0.9.11/24"
AUTOSTART=no ATTRIBUTES='huge-pages="2MiB"' partition two 1 192 "addr=10.0.9.12/24"
check "parclose up" parclose up --timeout 120
check "one runs" wait_for 60 is_phase one running
equal "its 128 huge pages are taken" 32 "$(cat $POOL/free_hugepages)"
check "from the node that control chose" grep -qE "bind:0 .*huge.* N0=128 kernelpagesize_kB=2048" \
    "/proc/$(field one .monitor_pid)/numa_maps"
equal "show says so" 2MiB "$(field one .huge_pages)"
say "the map and what is"
check "parclose db check" parclose db check
echo 2-3 >/sys/fs/cgroup/parclose.slice/one/vcpus/0/cpuset.cpus
check "a vCPU that was moved is found" eval '! parclose db check >/tmp/moved && grep -q "vCPU 0" /tmp/moved'
cat /tmp/moved
echo "$(field one '.pcpus[0]')" >/sys/fs/cgroup/parclose.slice/one/vcpus/0/cpuset.cpus
check "and back" parclose db check
on_host() { ls /sys/bus/pci/devices | wc -l; } # VFs of other cards may be on their way
in_map() { parclose devices --json | jq '[.cards[] | ., .vfs[]] + .functions | length'; }
check "every PCI function of the host is in it" wait_for 20 eval '[ "$(on_host)" = "$(in_map)" ]'
echo "functions on the host: $(on_host), in the map: $(in_map)"
smbus=$(parclose devices --json | jq -r '.functions[] | select(.class_code == 787712) | .address' | head -1)
check "one is there to be taken out" test -e "/sys/bus/pci/devices/${smbus:-none}/remove"
echo 1 >"/sys/bus/pci/devices/$smbus/remove"
check "one that is taken out is gone from the map" wait_for 10 eval "! parclose devices --all | grep -q $smbus"
check "parclose db check" parclose db check
echo 1 >/sys/bus/pci/rescan
check "and in it again when it is back" wait_for 10 eval "parclose devices --all | grep $smbus"
check "parclose db check" parclose db check
say "its console"
parclose console one --follow >/tmp/watched </dev/null &
watcher=$!
attached() { [ "$(field one .channels[0].attached)" = "$1" ]; }
check "command has it attached" wait_for 10 attached 1
kill -9 "$(pid_of control)"
check "control comes back" wait_for 30 all_alive
check "and knows it" wait_for 10 attached 1
kill -STOP $watcher
say "two"
parclose start two
check "a partition that the pool has no room for fails" wait_for 30 is_phase two failed
check "and says why" eval 'field two .reason | tee /dev/stderr | grep "enough free huge pages on its node"'
equal "what it had taken is back" 32 "$(cat $POOL/free_hugepages)"
parclose stop one --force
equal "a watcher that does not read holds nobody up" defined "$(phase one)"
check "what it had was its own until command had let go" eval \
    'parclose audit --partition one --last 8 >/tmp/channel; grep -A6 "phase stopping -> releasing" /tmp/channel | grep "256 MiB in 1 block: partition one -> available"'
cat /tmp/channel
kill -KILL $watcher
check "one's pages are back" wait_for 30 grep -qx 160 $POOL/free_hugepages
say "shared processors"
sed -i 's|<cards>|<shared pcpus="1"/>\n  <cards>|' $CONFIG/host.xml
ATTRIBUTES='processors="shared" weight="200"' partition one 1 256 "addr=10.0.9.11/24"
check "one pCPU is shared" eval 'parclose reload && [ "$(parclose list --all --json | jq -c ".owners[] | select(.name==\"shared\").pcpus")" = "[1]" ]'
check "one runs on it" parclose start one --wait --timeout 60
VCPUS=/sys/fs/cgroup/parclose.slice/one/vcpus
equal "its vCPU may run there only" 1 "$(cat $VCPUS/0/cpuset.cpus.effective)"
equal "with its weight" 200 "$(cat $VCPUS/../cpu.weight)"
check "its guest comes up" wait_for 120 guest_said one "L2:"
check "parclose db check" parclose db check
echo 300 >$VCPUS/../cpu.weight
check "a weight that was changed is found" eval '! parclose db check >/tmp/weight && grep -q "cpu.weight is 300" /tmp/weight'
sed -i 's|<shared pcpus="1"/>|<shared pcpus="2"/>|' $CONFIG/host.xml
check "the shared pCPUs stay while it runs" eval '! parclose reload >/tmp/shared 2>&1; grep -q "partition one runs on them" /tmp/shared'
parclose stop one --force
check "and change when it is stopped" wait_for 30 parclose reload

say "the log"
AUTOSTART=no partition two 1 64 ""
for n in $(seq 220); do # two images of its definition each
    sed -i -E "s/memory-mib=\"[0-9]+\"/memory-mib=\"$((64 + n % 2 * 2))\"/" $CONFIG/partitions/two.xml
    parclose reload >/dev/null || fail "reload $n"
done
STATE=/var/lib/parclose/control
check "it was rotated" wait_for 30 eval "[ \"\$(ls $STATE | grep -c '^audit')\" -ge 2 ]"
ls -l $STATE
check "parclose audit --verify" parclose audit --verify
check "who, and why" eval 'parclose start one --reason "end of the day" >/dev/null; parclose audit --last 20 | grep "end of the day"'
kill -9 "$(pid_of control)"
check "control replays it" wait_for 30 all_alive
check "parclose db check after that" wait_for 30 parclose db check
parclose down --timeout 60
check "parclose db check --files" parclose db check --files $STATE
last=$(ls $STATE/audit.* | tail -1)
printf x | dd of="$last" bs=1 seek=4300 conv=notrunc status=none
check "a damaged entry is found, with the way on" eval '! parclose db check --files $STATE >/tmp/damaged 2>&1 && grep "db cut" /tmp/damaged'
cat /tmp/damaged
entry=$(grep -o "entry [0-9]*" /tmp/damaged | head -1 | cut -d' ' -f2)
check "parclose db cut" parclose db cut --before "${entry:-?}" --yes
check "and all is well" parclose db check --files $STATE
check "parclose up" parclose up --timeout 120
check "one runs again" wait_for 60 is_phase one running
parclose down --timeout 60
finish
