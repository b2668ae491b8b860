# The resource database against what is: memory of the node's pool of huge pages, all of it or a clear refusal.
# database.sh
SCENARIO=database
. /share/job.d/lib.sh
POOL=/sys/devices/system/node/node0/hugepages/hugepages-2048kB

host_file || { fail "parclose host init"; finish; }
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
parclose start two
check "a partition that the pool has no room for fails" wait_for 30 is_phase two failed
check "and says why" eval 'field two .reason | grep "enough free huge pages on its node"'
equal "what it had taken is back" 32 "$(cat $POOL/free_hugepages)"
parclose stop one --force
check "one's pages are back" wait_for 30 grep -qx 160 $POOL/free_hugepages
parclose down --timeout 60
finish
