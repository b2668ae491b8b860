# Debian 12's kernel (6.1) as L1's and as the guests': the main job, short.
SCENARIO=bookworm
. /share/job.d/lib.sh
check "L1 runs Linux 6.1" eval 'uname -r | grep -q "^6\.1\."'
host_file || { fail "parclose host init"; finish; }
export GUEST_KERNEL=/l2/vmlinuz-bookworm GUEST_INITRD=/l2/initrd-bookworm
two_partitions "nvme=once ping=10.0.9.12" ""
check "parclose up" parclose up --timeout 120
check "one's guest is up" wait_for 150 guest_said one "L2: report done"
check "its kernel is 6.1" guest_said one "L2: kernel 6\.1\."
check "igbvf and nvme" eval 'guest_said one "driver igbvf" && guest_said one "driver nvme"'
check "it pings over its VF" wait_for 120 guest_said one "ping sent=[1-9][0-9]* received=[1-9]"
check "a block through NVMe" guest_said one "nvme once .*errors=0"
parclose down --timeout 60
finish
