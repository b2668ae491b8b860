# The second kind of monitor: the distribution's QEMU behind the gate, with two VFs; nothing of its guest runs before, nothing
# but its own is within its reach; its console, its stop, its death; a guest that UEFI starts from its disk. Wants lab run --with uefi.
# qemu.sh
SCENARIO=qemu
. /share/job.d/lib.sh
CGROUP=/sys/fs/cgroup/parclose.slice
OVMF=/usr/share/OVMF
AUTOSTART=no
dpkg -i /share/uefi/*.deb >/tmp/dpkg 2>&1 || { fail "mtools is installed"; tail /tmp/dpkg; finish; }

host_file 600000 || { fail "parclose host init"; finish; }
NET=$(card $NET_PF) NVME=$(card $NVME_PF)
ATTRIBUTES='monitor="qemu"' partition one 2 256 "addr=10.0.9.11/24 nvme=once" "$(vf "$NVME" 0)" \
    "$(vf "$NET" 0 'mac="52:54:00:00:01:00"')"
check "parclose up" parclose up --timeout 120
check "both PFs are ready" wait_for 60 both_ready

# Its QEMU is its monitor's one child.
qemu_of() { tr -d ' ' </proc/"$(field "$1" .monitor_pid)"/task/"$(field "$1" .monitor_pid)"/children; }
status_of() { awk -v name="$2:" '$1 == name { print $2 }' /proc/"$1"/status; } # PID NAME
kvm_exits() { cat /sys/kernel/debug/kvm/"$1"-*/exits 2>/dev/null || echo '?'; }
# typed PARTITION LINE: at a terminal, whose ^] is the way out
typed() { { sleep 1; printf '%s\n' "$2"; sleep 1; printf '\035'; } | timeout 10 script -qec "parclose console $1" /dev/null >/dev/null; }

say "complete, and its NVMe PF has no driver: nothing but the gate is left"
only_the_gate
check "one waits" wait_for 60 is_phase one waiting
check "it is complete" entered one ChannelImage
check "and not past the gate" eval "! entered one ProcessorsAttached"
qemu=$(qemu_of one)
check "there is a QEMU" [ "$(cat /proc/"$qemu"/comm)" = qemu-system-x86 ]
equal "KVM has its two vCPUs" 2 "$(ls -d /sys/kernel/debug/kvm/"$qemu"-*/vcpu? 2>/dev/null | wc -l)"
equal "each vCPU's thread is in its own leaf" "$(field one '.vcpu_pids | join(" ")')" \
    "$(cat $CGROUP/one/vcpus/0/cgroup.threads $CGROUP/one/vcpus/1/cgroup.threads | tr '\n' ' ' | sed 's/ $//')"
check "and frozen" grep -q "frozen 1" $CGROUP/one/vcpus/cgroup.events
hash=$(memory_hash one)
sleep 4
check "the hash is one of memory" grep -q '^[0-9a-f]\{32\}' <<<"$hash"
equal "the guest's memory does not change" "$hash" "$(memory_hash one)"
equal "no vCPU has made an exit" 0 "$(kvm_exits "$qemu")"
check "parclose db check" parclose db check

say "what QEMU can reach"
uid=$(status_of "$(field one .monitor_pid)" Uid)
check "it is the partition's user" [ "$(status_of "$qemu" Uid)" = "$uid" -a "$uid" -gt 65536 ]
for name in CapInh CapPrm CapEff CapBnd CapAmb; do equal "$name" 0000000000000000 "$(status_of "$qemu" $name)"; done
equal "no new privileges" 1 "$(status_of "$qemu" NoNewPrivs)"
equal "it is filtered" 2 "$(status_of "$qemu" Seccomp)"
equal "its tasks are bounded" 130 "$(cat $CGROUP/one/pids.max)"
equal "its memory, too: the guest's 256 MiB and 528" $((784 << 20)) "$(cat $CGROUP/one/memory.max)"
equal "it makes no file larger" "0 0" "$(awk '/^Max file size/ { print $4, $5 }' /proc/"$qemu"/limits)"
equal "it leaves no core" "0 0" "$(awk '/^Max core file size/ { print $5, $6 }' /proc/"$qemu"/limits)"
equal "it sees no interface" 1 "$(awk 'NR > 2' /proc/"$qemu"/net/dev | wc -l)"
equal "its root has libraries and firmware alone" "lib lib64 usr vfs" "$(ls /proc/"$qemu"/root/ | tr '\n' ' ' | sed 's/ $//')"
equal "of /usr, too" "lib lib64 share" "$(ls /proc/"$qemu"/root/usr | tr '\n' ' ' | sed 's/ $//')"
equal "no device node is there" "" "$(find /proc/"$qemu"/root/ -xdev \( -type b -o -type c \))"
ls -l /proc/"$qemu"/fd | awk 'NR > 1 { print "file", $9, $11 }'
equal "no file of the host but /dev/null, KVM and VFIO" "" "$(find /proc/"$qemu"/fd -type l -printf '%l\n' |
    grep -vE '^(/dev/null|/dev/kvm|/dev/vfio/(vfio|[0-9]+)|anon_inode:.*|socket:.*|pipe:.*|/memfd:guest.*)$')"

say "the PF is back"
echo $NVME_PF >/sys/bus/pci/drivers/nvme/bind
check "one goes on by itself" wait_for 60 is_phase one running
check "its guest comes up, with two vCPUs" wait_for 150 guest_said one "L2: kernel 6.* cpus 2 "
check "its network VF has a driver and a link" wait_for 90 guest_said one "net eth0 mac 52:54:00:00:01:00 .*carrier 1"
console one | grep "L2:"
check "exits are counted now" [ "$(kvm_exits "$qemu")" -gt 1000 ]
check "the guest's drivers operate" wait_for 10 entered one ChannelsOperating
check "its processors, too" entered one ProcessorsOperating
check "what is typed reaches it" eval 'typed one "out answer \$((6 * 7))"; wait_for 10 guest_said one "L2: answer 42"'
check "parclose db check" parclose db check
parclose show one | head -40
refused() { "$@" >/tmp/refused 2>&1 && return 1; grep 'monitor "qemu" has no dump, no debug and no counts' /tmp/refused; }
check "a dump is refused" refused parclose dump one /tmp/core
check "it has no counts, and show says so" eval "parclose show one | grep 'monitor \"qemu\" has no counts'"
check "metrics" eval 'parclose metrics >/tmp/metrics && grep "one" /tmp/metrics | head -3'

say "its end"
# the test guest has the kernel's driver of the button and nobody who listens to it: its count of presses is what is left
button=/sys/firmware/acpi/interrupts/ff_pwr_btn
typed one "grep ' 0  *EN  *enabled' $button && out waits; until grep ' 1  *EN' $button; do sleep 0.1; done; poweroff -f"
check "the guest has a power button" wait_for 10 guest_said one "L2: waits"
check "parclose stop" parclose stop one --timeout 20
equal "the power button reaches the guest, which powers off" "the guest powered off" \
    "$(sed -n 's/.*parclose-lead: partition one: its monitor is gone: //p' /var/log/parclose.log | tail -1)"
check "it is defined" is_phase one defined
check "nothing of it is left" wait_for 10 eval "[ ! -d $CGROUP/one ] && ! pgrep -x qemu-system-x86"
check "it starts again" parclose start one --wait --timeout 90
check "it writes to its NVMe VF, and reads it back" wait_for 150 guest_said one "nvme once wrote=.* errors=0"
kill -9 "$(qemu_of one)"
check "QEMU is killed: the partition has failed" wait_for 20 is_phase one failed
check "and says why" eval 'field one .reason | tee /dev/stderr | grep "QEMU was killed by signal 9"'
check "nothing of it is left" wait_for 10 eval "[ ! -d $CGROUP/one ] && ! pgrep -x qemu-system-x86"
check "it starts again" parclose start one --wait --timeout 90
check "its guest comes up" wait_for 150 guest_said one "L2: kernel 6.* cpus 2 "
before=$(field one .monitor_pid)
typed one "reboot -f"
check "a guest that reboots gets a new monitor" wait_for 60 eval '[ "$(field one .monitor_pid)" != '"$before"' ] && is_phase one running'
lead=$(pid_of lead)
kill -9 "$lead"
check "lead is killed and comes back" wait_for 20 eval '[ -n "$(pid_of lead)" ] && [ "$(pid_of lead)" != '"$lead"' ]'
check "the guest does not notice" wait_for 150 guest_said one "L2: kernel 6.* cpus 2 "
check "it runs" is_phase one running
check "parclose db check" parclose db check
kill -9 "$(field one .monitor_pid)"
check "its monitor is killed: the partition has failed" wait_for 20 is_phase one failed
check "nothing of it is left" wait_for 10 eval "[ ! -d $CGROUP/one ] && ! pgrep -x qemu-system-x86"
check "parclose db check" parclose db check

# A disk with one FAT file system; the firmware finds nothing that it may start by itself and runs its shell, which runs
# startup.nsh.
say "UEFI"
[ -e $OVMF/OVMF_CODE_4M.fd ] || { fail "no $OVMF"; finish; }
cp $OVMF/OVMF_VARS_4M.fd /root/variables
truncate -s 96M /root/disk
echo 'vmlinuz.efi initrd=\initrd console=ttyS0 quiet panic=-1 mitigations=off nvme=once' >/root/startup.nsh
mformat -i /root/disk :: && mcopy -i /root/disk /l2/vmlinuz ::/vmlinuz.efi &&
    mcopy -i /root/disk /l2/initrd /root/startup.nsh ::/ || { fail "a disk is made"; finish; }
# uefi NAME LINE…
uefi() {
    local name=$1
    shift
    printf '%s\n' '<partition vcpus="1" memory-mib="256" monitor="qemu" firmware="uefi">' "$@" \
        "<vfs>$(vf "$NVME" 1)</vfs></partition>" >$CONFIG/partitions/"$name".xml
}
uefi uefi "<variables>/root/variables</variables><disk>/root/disk</disk>"
echo $NVME_PF >/sys/bus/pci/drivers/nvme/unbind
check "its NVMe PF is not ready" wait_for 10 not_ready $NVME_PF
parclose start uefi
check "it waits for that" wait_for 60 is_phase uefi waiting
check "its memory and processor are complete" wait_for 30 entered uefi ProcessorImage
parclose show uefi | head -12
qemu=$(qemu_of uefi)
holds() { find /proc/"$qemu"/fd -type l -printf '%l\n' | grep -qxF "$1"; }
for file in $OVMF/OVMF_CODE_4M.fd /root/variables /root/disk; do check "QEMU holds $file" holds $file; done
equal "and makes no file larger" "$((96 << 20))" "$(awk '/^Max file size/ { print $4 }' /proc/"$qemu"/limits)"
check "which are in no root of its own" [ ! -e /proc/"$qemu"/root/root -a ! -e /proc/"$qemu"/root$OVMF ]
equal "no vCPU has made an exit" 0 "$(kvm_exits "$qemu")"
sed '/<vfs>/d; s|<variables>.*</variables>||' $CONFIG/partitions/uefi.xml >$CONFIG/partitions/other.xml
echo '</partition>' >>$CONFIG/partitions/other.xml
parclose start other
check "nobody else gets its disk" wait_for 20 is_phase other failed
check "and is told so" eval 'field other .reason | tee /dev/stderr | grep -i "disk /root/disk: .*busy"'
check "parclose db check" parclose db check
check "one that has not begun is stopped at once" parclose stop uefi --timeout 20
check "nothing of it is left" wait_for 10 eval "[ ! -d $CGROUP/uefi ] && ! pgrep -x qemu-system-x86"
check "the firmware has not run: its variables are as they were" cmp $OVMF/OVMF_VARS_4M.fd /root/variables
bind_nvme() { echo $NVME_PF >/sys/bus/pci/drivers/nvme/bind; }
check "its NVMe PF is ready again" eval 'bind_nvme; wait_for 30 ready $NVME_PF'
for start in first second; do
    check "$start start" parclose start uefi --wait --timeout 60
    check "$start start: firmware, shell, Linux, as its disk says" wait_for 120 guest_said uefi "L2: report done"
    check "$start start: it finds its NVMe VF with its stock driver" guest_said uefi "class 010802 driver nvme"
    check "$start start: what it writes there reads back" wait_for 20 guest_said uefi "nvme once wrote=\([0-9a-f]*\) read=\1 errors=0"
    check "$start start: it stops" parclose stop uefi --timeout 40
done
check "its firmware's variables are kept" eval '! cmp -s $OVMF/OVMF_VARS_4M.fd /root/variables'

parclose down --timeout 60
finish
