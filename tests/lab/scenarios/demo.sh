# The main job: two partitions behind the readiness gate; what README's ./dev demo shows.
SCENARIO=demo
. /share/job.d/lib.sh

say "the host: cards found, two partitions defined"
host_file || { fail "parclose host init"; finish; }
two_partitions "nvme=once ping=10.0.9.12" "ping=10.0.9.11"
cat $CONFIG/host.xml $CONFIG/partitions/one.xml
check "the configuration is good" parclose host check

say "parclose up"
check "parclose up" parclose up --timeout 120
check "one runs" wait_for 60 is_phase one running
check "two runs" wait_for 60 is_phase two running

say "parclose list --all"
parclose list --all
say "parclose devices"
parclose devices

check "one's guest is up" wait_for 120 guest_said one "L2: report done"
check "two's guest is up" wait_for 120 guest_said two "L2: report done"
[ $BAD = 0 ] || { for p in one two; do parclose show $p; console $p | tail -30; done; finish; }
check "one pings two over VFs" wait_for 90 guest_said one "ping sent=[1-9][0-9]* received=[1-9]"
check "two pings one over VFs" wait_for 90 guest_said two "ping sent=[1-9][0-9]* received=[1-9]"

say "what guest one said on its console"
console one | grep '^L2:' | head -25
say "what guest two said on its console"
console two | grep '^L2:' | head -25
check "one sees two processors" guest_said one "cpus 2"
check "one finds its igb VF as a PCI device with its stock driver" guest_said one "8086:10ca class 020000 driver igbvf"
check "one finds its NVMe VF as a PCI device with its stock driver" guest_said one "class 010802 driver nvme"
check "two finds its igb VF" guest_said two "8086:10ca class 020000 driver igbvf"
check "one's VF has the MAC that its definition gives" guest_said one "mac 52:54:00:00:01:00"
# resources VF: what its secondary controller has, as the PF's controller says
resources() { parclose vf show "$1" --json | jq -r '.observed | "\(.["nvme-queues"]) \(.["nvme-vectors"])"'; }
equal "one's NVMe VF has the queues and vectors that its definition gives" "3 2" "$(resources "$(card $NVME_PF)/0")"
once=$(guest_last one "nvme once")
check "a block written through the NVMe VF reads back" \
    [ -n "$once" -a "$(sed 's/.*wrote=\([0-9a-f]*\).*/\1/' <<<"$once")" = "$(sed 's/.*read=\([0-9a-f]*\).*/\1/' <<<"$once")" ]

say "the timelines"
parclose show one
parclose show two
for p in one two; do
    equal "$p is in all fifteen states" 15 "$(field $p '.states | map(select(.entered)) | length')"
    check "$p's processors were attached after its images were complete" [ \
        "$(field $p '.states[] | select(.state=="ChannelImage") | .boottime_ns')" -lt \
        "$(field $p '.states[] | select(.state=="ProcessorsAttached") | .boottime_ns')" ]
done

say "edits of devices.xml, by rename"
EDITS=/run/parclose/edit
edit() { sed "s|$2|$3|" /run/parclose/devices.xml >$EDITS/new && mv $EDITS/new "$EDITS/$1"; } # NAME FROM TO
vf_says() { ip link show dev "$(ls /sys/bus/pci/devices/$NET_PF/net)" | grep "vf $1 " | grep -q "$2"; } # INDEX PATTERN
written=$(tcb_writes)
edit vlan.xml '<desired mac="52:54:00:00:01:01"' '& vlan="7" qos="2"'
check "one that changes the VLAN of a VF in use is applied" wait_for 10 [ ! -e $EDITS/vlan.xml ]
check "and is on the device" vf_says 1 "52:54:00:00:01:01.* vlan 7, qos 2"
equal "with one device write" 1 $(($(tcb_writes) - written))
check "devices.xml says so" wait_for 5 grep -q '<desired mac="52:54:00:00:01:01" vlan="7" qos="2"/>' /run/parclose/devices.xml
edit mac.xml '<desired mac="52:54:00:00:01:01" vlan="7"' '<desired mac="52:54:00:00:01:99" vlan="8"'
check "one that changes the MAC of a VF in use is refused" wait_for 10 [ -e $EDITS/mac.xml.refused ]
check "beside it stands why" grep -q "mac.xml: VF 1 of $NET_PF is in use" $EDITS/mac.xml.error
check "parclose devices says it" eval 'parclose devices | grep -q "mac.xml: VF 1 of $NET_PF is in use"'
check "and nothing of it was done" vf_says 1 "52:54:00:00:01:01.* vlan 7, qos 2"
edit stale.xml 'generation="[0-9]*"' 'generation="1"'
check "one of an old generation is refused" wait_for 10 grep "is of generation 1" $EDITS/stale.xml.error
edit rubbish.xml '<owner kind="guest" partition="1"/>' '<owner kind="guest" partition="2"/>'
check "one that gives a VF away is refused, with its line" wait_for 10 grep -E "rubbish.xml:[0-9]+: .*by its definition" $EDITS/rubbish.xml.error
cat $EDITS/*.error
equal "that one write is all that they took" 1 $(($(tcb_writes) - written))
vf="$(card $NET_PF)/1"
check "parclose vf set is such an edit" parclose vf set "$vf" vlan=9 trust=yes
check "and done when it returns" vf_says 1 "52:54:00:00:01:01.* vlan 9, qos 2.* trust on"
parclose vf show "$vf"
check "anti-spoof off and a rate, as well" parclose vf set "$vf" spoofchk=no max-tx-mbit=100
check "both are on the device" vf_says 1 "tx rate 100.*spoof checking off\|spoof checking off.*max_tx_rate 100\|spoof checking off.*tx rate 100"
ip link show dev "$(ls /sys/bus/pci/devices/$NET_PF/net)" | grep "vf 1 "
check "a wrong one is refused" eval '! parclose vf set "$vf" vlan=4095'
check "and changes nothing" vf_says 1 "vlan 9, qos 2"
check "the audit log has it" eval 'parclose audit --kind edit | grep -q "vlan.xml: applied"'

say "parclose audit"
parclose audit | tail -25
cp /run/parclose/devices.xml /share/out/ 2>/dev/null
check "devices.xml is there" [ -s /run/parclose/devices.xml ]

say "parclose down"
check "parclose down" parclose down --timeout 60
check "nothing is left running" none_left
check "no cgroup is left" [ -z "$(find /sys/fs/cgroup/parclose.slice -mindepth 1 -type d 2>/dev/null)" ]
finish
