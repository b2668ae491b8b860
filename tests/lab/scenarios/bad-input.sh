# Hostile and mistaken configuration: a clear error for each, nothing changed, every process alive.
SCENARIO=bad-input
. /share/job.d/lib.sh

host_file || { fail "parclose host init"; finish; }
export AUTOSTART=no
two_partitions "" ""
check "parclose up" parclose up --timeout 120
net=$(card $NET_PF)
pids() { for k in boot $KINDS; do pid_of $k; done; }
map() { parclose list --all --json | jq -S '[.owners, (.partitions | map({name, phase}))]'; }
before_pids=$(pids) before_map=$(map)

# refused WHAT PATTERN COMMAND…: fails, says PATTERN, and nothing has changed
refused() {
    local what=$1 pattern=$2 out
    shift 2
    out=$("$@" 2>&1)
    local status=$?
    echo "$out" | head -3
    if [ $status = 0 ]; then fail "$what: accepted"; return; fi
    if ! grep -qE "$pattern" <<<"$out"; then fail "$what: the error does not say /$pattern/"; return; fi
    equal "$what: refused with file, place and reason; the map is the same" "$before_map" "$(map)"
}
bad=$CONFIG/partitions/bad.xml
attempt() { parclose start bad --timeout 10; }

echo '<partition vcpus="1" memory-mib="64"><kernel>/l2/vmlinuz</kernel' >$bad
refused "malformed XML" "bad.xml:[0-9]+" attempt
{ echo '<partition vcpus="1" memory-mib="64"><kernel>/l2/vmlinuz</kernel><cmdline>'; head -c 100000000 /dev/zero | tr '\0' a; echo '</cmdline></partition>'; } >$bad
refused "a file of 100 MB" "bad.xml.*(large|bytes|MiB)" attempt
{ for i in $(seq 20000); do printf '<a>'; done; } >$bad
refused "deeply nested XML" "bad.xml" attempt
cat >$bad <<'X'
<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/shadow">]>
<partition vcpus="1" memory-mib="64"><kernel>/l2/vmlinuz</kernel><cmdline>&b;&c;</cmdline></partition>
X
refused "entities and DOCTYPE" "bad.xml:[0-9]+.*DOCTYPE" attempt
head -c 4096 /dev/urandom >$bad
refused "binary rubbish" "bad.xml" attempt
partition bad 1 64 "" "$(vf net99 0)"
refused "unknown card" "net99" attempt
partition bad 1 64 "" "$(vf "$net" 200)"
refused "VF index out of range" "bad.xml:[0-9]+.*200" attempt
partition bad 1 1048576 ""
refused "more memory than there is" "memory|MiB" attempt
partition bad 32 64 ""
refused "more processors than there are" "pCPU|processor|vcpu" attempt
rm -f $bad

GUEST_KERNEL=/etc/passwd partition bad 1 64 ""
out=$(parclose start bad --wait --timeout 20 2>&1)
echo "$out" | tail -3
check "a kernel that is none: the partition fails with a reason" [ "$(phase bad)" = failed -a -n "$(field bad .reason)" ]
parclose stop bad --force >/dev/null 2>&1
rm -f $bad
parclose reload >/dev/null 2>&1

# Two partitions that want one VF: the first has it, the second is refused.
check "one starts" parclose start one --wait --timeout 60
partition bad 1 64 "" "$(vf "$net" 0)"
parclose reload # as a definition it is good, and listed; its start is what is refused
before_map=$(map)
refused "a VF that another partition has" "one" attempt
rm -f $bad

# A guest as input: a little of what scenario hostile does for minutes, beside one that runs.
attacks=ports,memory,ecam,bars,msix,registers,calls
monitor=$(field one .monitor_pid)
check "a hostile guest begins and ends" attack 60 1 $attacks 2 40 "$(vf "$net" 2)"
check "all its attacks come to their end" attack_done $attacks
check "none of its monitor's processes died of it" eval '! grep -aE "main replaced|does not survive" /var/log/parclose.log'
equal "the other guest's monitor is the same" "$monitor" "$(field one .monitor_pid)"
rm -f $CONFIG/partitions/hostile.xml
parclose reload
before_map=$(map)

echo '<host><cards><card' >$CONFIG/host.xml
refused "malformed host.xml" "host.xml:[0-9]+" parclose reload
equal "every process is the same as before" "$before_pids" "$(pids)"
check "one still runs" is_phase one running
parclose down --timeout 60
finish
