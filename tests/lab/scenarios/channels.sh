# Channels: a disk that another process serves (qemu-storage-daemon), confined and direct. The partition waits for its server;
# a server that is killed under load is replaced, by a lead that was killed as well, and the guest sees no error.
SCENARIO=channels
. /share/job.d/lib.sh

server() { # NAME: its pid in /run/NAME.pid
    qemu-storage-daemon --pidfile "/run/$1.pid" --blockdev "driver=file,node-name=disk,filename=/tmp/$1.img" \
        --export "type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,addr.path=/run/$1.sock" \
        >"/tmp/$1.log" 2>&1 &
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
order() { { sleep 1; echo "$2"; sleep 2; } | timeout 10 script -qc "parclose console $1" /dev/null >/dev/null; } # on a terminal
writes() { guest_count "$1" "nvme writes" writes; }
writes_more() { [ "$(writes one)" -gt $((before + 20)) ]; }

dpkg -i /share/storage/*.deb >/tmp/dpkg 2>&1 || { fail "qemu-storage-daemon is installed"; tail /tmp/dpkg; finish; }
truncate -s 64M /tmp/one.img /tmp/two.img /tmp/three.img
host_file || { fail "parclose host init"; finish; }
AUTOSTART=no
with_channel one confined disk=loop
with_channel two direct disk=once
lan() { echo "<channel name=\"lan\" kind=\"network\" server=\"/run/lan$1.sock\" mac=\"52:54:00:00:02:0$1\"/>"; }
CHANNELS="<channel name=\"data\" kind=\"block\" mode=\"direct\" server=\"/run/three.sock\"/>$(lan 3)
    <channel name=\"tty\" kind=\"console\" server=\"/run/tty.sock\"/>" \
    partition three 1 192 "disk=loop addr=10.0.8.3/24"
CHANNELS=$(lan 4) partition four 1 192 "addr=10.0.8.4/24 ping=10.0.8.3"
check "parclose up" parclose up --timeout 120
parclose start one
check "it waits for its server" wait_for 60 is_state one waiting
waits_for() { field one .waiting_for | grep -q "$1"; }
check "and says so" wait_for 20 waits_for "channel data: no server has answered yet"
parclose show one | grep -E "phase|waiting|channel"
server one
check "its server comes: it runs" wait_for 60 is_phase one running
check "the guest's driver uses it" wait_for 120 is_state one operating
check "show says how" eval 'parclose show one | grep "block, confined, server /run/one.sock: operating, attached 1,"'
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
parclose start two
check "it runs" wait_for 60 is_phase two running
check "the guest's disk" wait_for 120 guest_said two "nvme once .*errors=0"
equal "show says that it is direct" direct "$(channel two mode)"
# it does not track what is in flight: an idle disk goes on with the next one
kill_server two
check "its server is killed: its state says so" wait_for 20 is_state two lost
server two
check "and that it is back" wait_for 20 is_state two operating
again() { [ "$(console two | grep -c "nvme once .*errors=0")" = 2 ]; }
order two "blocks /dev/vda 0 once"
check "the guest goes on" wait_for 30 again
# of a busy one what was under way is lost, or nothing was and it goes on; either is said
order two "blocks /dev/vda 0 loop &"
check "the disk is busy" wait_for 30 guest_said two "nvme writes=.* errors=0"
kill_server two
check "its server is killed: its state says so" wait_for 20 is_state two lost
server two
back_or_hopeless() { is_state two operating || [ "$(channel two error)" = "State not recoverable" ]; }
check "it is back, or says why it cannot be" wait_for 20 back_or_hopeless
parclose show two | grep channel
parclose stop two --force

say "a server that does not let go"
kill -STOP "$(cat /run/one.pid)"
parclose stop one --force --timeout 5 >/dev/null 2>&1 &
check "its partition keeps what it has" wait_for 30 is_phase one releasing
parclose show one | grep -E "waiting|channel"
check "and says why" waits_for "let go of its memory: the server of.* channel data"
kill -9 "$(pid_of lead)"
sleep 2
check "a new lead knows it" is_phase one releasing
kill -9 "$(pid_of control)"
sleep 2
check "a new control, too" wait_for 20 is_phase one releasing
check "parclose db check" parclose db check
kill -CONT "$(cat /run/one.pid)"
check "the server lets go: the partition ends" wait_for 20 is_phase one defined
parclose audit --partition one | tail -3
check "parclose db check" parclose db check

say "a disk, direct, a network and a console: a server that tracks what is in flight; main dies, too"
serve() {
    "$LIBEXEC/tests/vhost-server" --delay 100 block:/run/three.sock:/tmp/three.img network:/run/lan3.sock \
        network:/run/lan4.sock console:/run/tty.sock 2>>/tmp/three.log &
    served=$!
}
serve
check "both start" parclose start three four --wait --timeout 90
check "the disk" wait_for 90 guest_said three "nvme writes=[1-9].* errors=0"
check "the network" wait_for 60 guest_said four "ping sent=[1-9][0-9]* received=[1-9]"
order three 'exec 4<>/dev/hvc0; stty raw -echo <&4; echo first >&4; read -r -t 9 word <&4; out "heard $word"'
check "the console" wait_for 20 guest_said three "^L2: heard first"
received() { guest_count four "ping sent" received; }
go_on() { [ "$(writes three)" -gt $((wrote + 10)) ] && [ "$(received)" -gt $((got + 10)) ]; }
count() { wrote=$(writes three) got=$(received); }
kill_main() { # PARTITION: the one child of its spawner that is no vCPU's
    local vcpus
    vcpus=" $(field "$1" '.vcpu_pids | map(tostring) | join(" ")') "
    for pid in $(pgrep -P "$(field "$1" .monitor_pid)"); do [[ $vcpus == *" $pid "* ]] || kill -9 "$pid"; done
}
tracked() { grep -q resubmitted /tmp/three.log; }
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do # in about every second some request is in flight
    [ $n -le 3 ] || ! tracked || break
    count
    kill -9 $served
    rm -f /run/three.sock /run/lan?.sock /run/tty.sock
    sleep 0.5
    serve
    check "server killed $n: both go on" wait_for 30 go_on
    [ $n -le 3 ] || continue
    count
    kill_main three
    kill_main four
    check "mains killed $n: both go on" wait_for 30 go_on
done
equal "mains were replaced" "3 3" "$(field three .main_restarts) $(field four .main_restarts)"
order three 'echo second >&4; read -r -t 9 word <&4; out "heard $word"'
check "the console, still" wait_for 20 guest_said three "^L2: heard second"
guest_last three "nvme writes"
guest_last four "ping sent"
equal "no error of the disk" 0 "$(guest_count three "nvme writes" errors)"
check "some requests were in flight" tracked
parclose down --timeout 60
finish
