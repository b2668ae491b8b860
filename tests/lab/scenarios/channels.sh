# Channels: a disk that another process serves (QEMU's vhost-user export), confined and direct. The partition waits for its
# server; a server that is killed under load is replaced, by a lead that was killed as well, and the guest sees no error.
SCENARIO=channels
. /share/job.d/lib.sh

server() { # NAME: its pid in /run/NAME.pid
    {
        echo '{"execute":"qmp_capabilities"}'
        echo '{"execute":"block-export-add","arguments":{"type":"vhost-user-blk","id":"e","node-name":"f","writable":true,'
        echo '"addr":{"type":"unix","path":"/run/'"$1"'.sock"}}}'
        exec sleep 100000
    } | qemu-system-x86_64 -M none -nodefaults -display none -qmp stdio -pidfile "/run/$1.pid" \
        -blockdev "driver=file,node-name=f,filename=/tmp/$1.img" >"/tmp/$1.log" 2>&1 &
}
kill_server() { kill -9 "$(cat "/run/$1.pid")" && rm "/run/$1.pid"; }
# with_channel NAME MODE WORDS
with_channel() {
    partition "$1" 1 192 "$3"
    sed -i "s|</partition>|<channels><channel name=\"data\" kind=\"block\" mode=\"$2\" server=\"/run/$1.sock\"/></channels></partition>|" \
        "$CONFIG/partitions/$1.xml"
}
channel() { field "$1" '.channels[] | select(.name=="data") | .'"$2"; } # PARTITION FIELD
is_state() { [ "$(channel "$1" state)" = "$2" ]; }
writes() { guest_count "$1" "nvme writes" writes; }
writes_more() { [ "$(writes one)" -gt $((before + 20)) ]; }

truncate -s 64M /tmp/one.img /tmp/two.img
host_file || { fail "parclose host init"; finish; }
with_channel one confined disk=loop
with_channel two direct disk=once
check "parclose up" parclose up --timeout 120
check "it waits for its server" wait_for 60 is_phase one waiting
check "and says so" wait_for 20 is_state one waiting
parclose show one | grep -E "phase|waiting|channel"
server one
check "its server comes: it runs" wait_for 60 is_phase one running
check "the guest's driver uses it" wait_for 120 is_state one operating
check "show says how" grep -q "block, confined, server /run/one.sock: operating" <(parclose show one)
check "the guest writes and reads back" wait_for 60 guest_said one "nvme writes=.* errors=0"

say "its server is killed"
kill_server one
check "its state says so" wait_for 20 is_state one lost
server one
check "and that it is back" wait_for 20 is_state one operating
before=$(writes one)
check "the guest goes on" wait_for 60 writes_more

say "its server and lead are killed"
kill_server one
kill -9 "$(pid_of lead)"
server one
check "a new lead connects" wait_for 60 is_state one operating
before=$(writes one)
check "the guest goes on" wait_for 60 writes_more
guest_last one "nvme writes"
equal "without an error" 0 "$(guest_count one "nvme writes" errors)"
equal "three connections" 3 "$(channel one connections)"
check "parclose db check" parclose db check

say "direct"
server two
check "it runs" wait_for 60 is_phase two running
check "the guest's disk" wait_for 120 guest_said two "nvme once .* errors=0"
equal "show says that it is direct" direct "$(channel two mode)"
parclose show two | grep channel
parclose down --timeout 60
finish
