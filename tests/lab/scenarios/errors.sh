# PCI errors (AER) of a PF and of a VF in use, by the kernel's own injector; then the igb PF is pulled out and comes back: with nobody
# at it, and under a guest that runs. The emulator's NVMe functions have no AER capability. Pulled out is here what sysfs "remove" is,
# the kernel's part of it; a card that is gone before the kernel knows cannot be had: the emulator takes no device away unasked, and
# its ports' links do not go down. That a function which answers nothing is noticed is in the unit tests of the TCB and SR-PCIM.
SCENARIO=errors
. /share/job.d/lib.sh
PEER_PF=0000:02:00.0 # to be pinged; nothing happens to it

le32() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# inject ADDRESS UNCORRECTABLE CORRECTABLE: bits of the status registers; the struct of Linux drivers/pci/pcie/aer_inject.c
inject() {
    local bus device function zero
    IFS=:. read -r _ bus device function <<<"$1"
    zero=$(le32 0)
    printf "\x$bus\x$device\x0$function\0$(le32 "$2")$(le32 "$3")$zero$zero$zero$zero$zero" >/dev/aer_inject
}
pf_field() { parclose devices --json | jq -r ".cards[] | select(.address==\"$1\") | $2"; }                        # ADDRESS JQ
vf_field() { parclose devices --json | jq -r ".cards[].vfs[] | select(.address==\"$1\") | $2"; }                   # ADDRESS JQ
pf_counted() { [ "$(pf_field "$1" ".errors.$2")" -ge "$3" ]; }                                                       # ADDRESS KIND COUNT
vf_counted() { [ "$(vf_field "$1" ".errors.$2")" -ge "$3" ]; }
audited() { parclose audit | grep -q "$1"; }
readiness() { pf_field "$1" .readiness; }
is_readiness() { [ "$(readiness "$1")" = "$2" ]; }
now_ms() { date +%s%3N; }
stopped() { is_phase "$1" defined; }

host_file 600000 || { fail "parclose host init"; finish; }
two_partitions "ping=10.0.9.1 nvme=loop" "ping=10.0.9.1"
modprobe aer_inject aer_mask_override=1
check "parclose up" parclose up --timeout 120
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$PEER_PF/net)"
ip link set "$(ls /sys/bus/pci/devices/$PEER_PF/net)" up
for p in one two; do check "$p pings over its VF" wait_for 180 guest_said $p "received=[1-9]"; done
spawner=$(field one .monitor_pid)

say "a correctable error of the PF"
inject $NET_PF 0 1
check "it is counted" wait_for 15 pf_counted $NET_PF correctable 1
check "the audit log has it" audited "errors.*$NET_PF.*1 correctable"
equal "the PF is ready" ready "$(readiness $NET_PF)"

say "a non-fatal error of the VF that one has"
vf=$(basename "$(readlink /sys/bus/pci/devices/$NET_PF/virtfn0)")
inject "$vf" 0x1000 0
check "it is counted" wait_for 5 vf_counted "$vf" nonfatal 1
check "the audit log names the partition" audited "vf-news.*one: VF $vf: .*1 non-fatal"
check "its monitor was told by VFIO" wait_for 5 eval 'parclose show one | grep -q "error"'
parclose show one | grep -A9 "^VF"
echo "the PF: $(readiness $NET_PF), recovery $(pf_field $NET_PF .recovery)"

say "a non-fatal error of the PF, under guests that run"
start=$(now_ms)
inject $NET_PF 0x1000 0
check "it is counted" wait_for 5 pf_counted $NET_PF nonfatal 1
echo "after $(($(now_ms) - start)) ms"
check "the audit log has it" audited "errors.*$NET_PF.*1 non-fatal"
sleep 2
dmesg | grep -E "AER:|igb 0000:01" | tail -12
recovery=$(pf_field $NET_PF .recovery)
echo "the PF: $(readiness $NET_PF), recovery $recovery: $(pf_field $NET_PF .reason)"
equal "the kernel has recovered it: each function below the port has a driver that is told" none "$recovery"
check "nobody below the port is without one" eval '! dmesg | grep "no error_detected callback"'
equal "it is ready only if the kernel has recovered it" "$([ "$recovery" = none ] && echo ready || echo errors)" "$(readiness $NET_PF)"
equal "one runs on" "$spawner" "$(field one .monitor_pid)"
for p in one two; do parclose stop $p --force >/dev/null; done
for p in one two; do check "$p is stopped" wait_for 30 stopped $p; done
check "once nobody has a VF of it, its driver begins anew: the PF is ready" wait_for 60 ready $NET_PF
parclose devices | head -4

say "the PF is pulled out while nobody has a VF, and a partition is started"
echo 1 >/sys/bus/pci/devices/$NET_PF/remove
check "it is noticed" wait_for 3 is_readiness $NET_PF absent
parclose start two >/dev/null
check "two waits for it" wait_for 10 is_phase two waiting
check "and says why" wait_for 5 eval '[[ $(field two .waiting_for) == *"$NET_PF"* ]]'
check "the map is right meanwhile" parclose db check
start=$(now_ms)
echo 1 >/sys/bus/pci/rescan
check "it is found again, and two goes on" wait_for 60 is_phase two running
echo "after $(($(now_ms) - start)) ms"
check "two pings" wait_for 120 guest_said two "received=[1-9]"

say "the PF is pulled out under a guest"
echo 1 >/sys/bus/pci/devices/$NET_PF/remove &
writer=$!
check "it is noticed" wait_for 3 not_ready $NET_PF
sleep 2
echo "the PF: $(readiness $NET_PF): $(pf_field $NET_PF .reason); two: $(phase two) $(field two .waiting_for); the writer $([ -e /proc/$writer ] && echo hangs || echo is done)"
parclose show two | grep -A4 "^VF"
check "everything else answers" wait_for 5 all_alive
check "one can be told of" parclose show one
parclose stop two --force >/dev/null
check "two is stopped" wait_for 30 stopped two
writer_done() { [ ! -e /proc/$writer ]; }
check "whoever pulled it is free" wait_for 20 writer_done
check "the PF is gone" wait_for 5 is_readiness $NET_PF absent
start=$(now_ms)
echo 1 >/sys/bus/pci/rescan
check "it is found again" wait_for 60 ready $NET_PF
echo "after $(($(now_ms) - start)) ms"
parclose start two >/dev/null
check "two runs again" wait_for 60 is_phase two running
check "two pings" wait_for 120 guest_said two "received=[1-9]"

parclose audit | grep -E "errors|vf-news|outage" | tail -20
check "the map is right" parclose db check
parclose down --timeout 60
finish
