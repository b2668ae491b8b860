#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boot's promises, with real processes and real signals: deaths.py HOLDER BOOT DAEMON [ROUNDS].

DAEMON (echo.c) counts the lives of its kind in a file that it stores with boot. Needs root.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

holder, boot, daemon = sys.argv[1:4]
rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 6
KINDS = ["control", "tcb", "sr-pcim"]
bad = 0


def check(what, ok, detail=""):
    global bad
    print(("PASS " if ok else "FAIL ") + what + ("" if ok else f": {detail}"), flush=True)
    bad |= not ok


class Service:
    def __init__(self, folder):
        self.folder, self.path = folder, os.path.join(folder, "log")
        for kind in KINDS:
            shutil.copy(daemon, os.path.join(folder, "parclose-" + kind))
        os.chmod(folder, 0o755)
        self.log = open(self.path, "w")
        self.holder = subprocess.Popen([holder, boot], stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log, env={**os.environ, "BOOT_TEST_DIR": folder,
                                            "ASAN_OPTIONS": "detect_leaks=0"})  # it would need ptrace

    def lines(self):
        return open(self.path).read().splitlines()

    def pids(self):
        """Of the processes that are alive, by name; each is a descendant of the holder."""
        found = {}
        for kind in KINDS:
            for line in reversed(self.lines()):
                m = re.match(rf"<6>{kind}: life \d+ number \d+ pid (\d+)", line)
                if m:
                    if alive(int(m[1])):
                        found[kind] = int(m[1])
                    break
        return found

    def boot(self):
        try:
            children = open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read().split()
        except OSError:
            return None
        for pid in map(int, children):
            if os.path.basename(read_link(f"/proc/{pid}/exe")) == os.path.basename(boot) and alive(pid):
                return pid
        return None

    def life(self, kind):
        lives = [re.match(rf"<6>{kind}: life (\d+) number (\d+)", line) for line in self.lines()]
        lives = [m for m in lives if m]
        return tuple(map(int, lives[-1].groups())) if lives else (0, 0)

    def ready(self, count=len(KINDS)):
        return len(self.pids()) == count and self.count("is ready") >= count

    def count(self, text, since=0):
        return sum(text in line for line in self.lines()[since:])


def read_link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait(seconds, condition):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            return False
        time.sleep(0.02)
    return True


def status(pid, field):
    return re.search(rf"^{field}:\s*(.*)$", open(f"/proc/{pid}/status").read(), re.M)[1]


def network(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


def test_start(s):
    if not wait(10, s.ready):
        check("all three are ready", False)
        return
    order = [line.split()[0].split(":")[-1] for line in s.lines() if "is ready" in line]
    names = [line.split(": ")[1].split()[0] for line in s.lines() if "is ready" in line]
    check("in the order of the table", names == KINDS, names or order)
    pids = s.pids()
    check("control runs as nobody without capabilities",
          status(pids["control"], "Uid").split()[0] == "65534" and int(status(pids["control"], "CapEff"), 16) == 0 and
          int(status(pids["control"], "CapBnd"), 16) == 0 and status(pids["control"], "NoNewPrivs") == "1", pids)
    check("tcb runs as root with one capability",
          status(pids["tcb"], "Uid").split()[0] == "0" and int(status(pids["tcb"], "CapEff"), 16) == 1 << 21 and
          int(status(pids["tcb"], "CapBnd"), 16) == 1 << 21, status(pids["tcb"], "CapEff"))
    check("a seccomp filter is loaded", all(status(p, "Seccomp") == "2" for p in [s.boot(), *pids.values()]))
    host = os.readlink("/proc/self/ns/net")
    check("network namespaces", network(pids["tcb"]) == host and network(pids["control"]) == network(pids["sr-pcim"]) != host)
    check("control sees no /sys", os.listdir(f"/proc/{pids['control']}/root/sys") == [])
    check("the interconnect partition has a cgroup", "/interconnect" in open(f"/proc/{pids['sr-pcim']}/cgroup").read())
    check("every link works both ways", wait(5, lambda: s.count("greeted by kind") >= 6), s.lines())


def test_daemon_deaths(s):
    """Killed one after the other: back with the file of the last life, and its peers with new links."""
    for i in range(rounds):
        kind = KINDS[i % len(KINDS)]
        before, others, mark = s.life(kind), s.pids(), len(s.lines())
        namespace = network(others[kind])
        os.kill(others.pop(kind), signal.SIGKILL)
        ok = wait(8, lambda: s.life(kind) > before and s.ready() and s.count("greeted by kind", mark) >= 4)
        after = s.life(kind)
        many = kind != "sr-pcim" or s.count("sr-pcim: stored 501", mark) == 1
        check(f"death {i}: {kind} lives again, its files and links too, in the same network namespace",
              ok and network(s.pids()[kind]) == namespace and
              many and after == (before[0] + 1, before[1] + 1) and others.items() <= s.pids().items(),
              "\n".join(s.lines()[mark:]))


def test_boot_deaths(s):
    """Boot alone is killed: nobody else notices."""
    for i in range(rounds):
        wait(5, s.boot)  # it may be about to become itself
        before, mark, old = s.pids(), len(s.lines()), s.boot()
        os.kill(old, signal.SIGKILL if i % 3 else signal.SIGTERM)
        ok = wait(5, lambda: s.boot() not in (None, old) and s.count("goes on", mark) == len(KINDS))
        time.sleep(0.1)
        check(f"boot death {i}: all go on and notice nothing",
              ok and s.pids() == before and not s.count("down ", mark) and not s.count("greeted", mark),
              "\n".join(s.lines()[mark:]))


def test_both(s):
    """Boot and another at once: that one is mended by the next boot."""
    for i in range(rounds):
        kind = KINDS[i % len(KINDS)]
        wait(5, s.boot)
        before, others, mark, old = s.life(kind), s.pids(), len(s.lines()), s.boot()
        namespace = network(others[kind])
        victims = [old, others.pop(kind)]
        random.shuffle(victims)
        os.kill(victims[0], signal.SIGKILL)
        time.sleep(random.choice([0, 0, 0.002, 0.01]))
        os.kill(victims[1], signal.SIGKILL)
        ok = wait(12, lambda: s.life(kind) > before and s.ready() and s.count("greeted by kind", mark) >= 4)
        check(f"double death {i}: {kind} lives again", ok and s.life(kind)[0] == before[0] + 1 and
              network(s.pids()[kind]) == namespace and others.items() <= s.pids().items(), "\n".join(s.lines()[mark:]))


def test_anything(s):
    """Random deaths close together, boot included: in the end all is well, and no life was forgotten."""
    before = {kind: s.life(kind) for kind in KINDS}
    mark = len(s.lines())
    for i in range(rounds):
        pids = list(s.pids().values()) + [s.boot()]
        victim = random.choice(pids)
        if victim and alive(victim):
            os.kill(victim, signal.SIGKILL)
        time.sleep(random.choice([0, 0.001, 0.003, 0.02, 0.2]))
    ok = wait(20, lambda: s.ready() and s.boot())
    time.sleep(1)
    check("random deaths: all live", ok and s.ready(), "\n".join(s.lines()[mark:]))
    pids, mark = s.pids(), len(s.lines())
    os.kill(pids["tcb"], signal.SIGKILL)
    check("then links work", wait(10, lambda: s.ready() and s.count("greeted by kind", mark) >= 4),
          "\n".join(s.lines()[mark:]))
    check("stored files were given back", all(s.life(k)[0] >= before[k][0] for k in KINDS),
          {k: (before[k], s.life(k)) for k in KINDS})


def restarted(s, kind, sender, number, reason):
    """A signal to `sender` makes boot restart `kind`, and nobody else."""
    before, others, mark = s.life(kind), s.pids(), len(s.lines())
    os.kill(others[sender], number)
    others.pop(kind)
    ok = wait(8, lambda: s.life(kind) > before and s.ready() and s.count("greeted by kind", mark) >= 4)
    check(f"{kind} alone is restarted: {reason}", ok and s.count(reason, mark) and others.items() <= s.pids().items() and
          not s.count(", silent", mark), "\n".join(s.lines()[mark:]))


def test_orders(s):
    restarted(s, "sr-pcim", "control", signal.SIGUSR1, "rung 2")
    restarted(s, "sr-pcim", "control", signal.SIGUSR2, "rung 3")
    restarted(s, "tcb", "tcb", signal.SIGUSR1, "control complained about tcb")
    restarted(s, "sr-pcim", "sr-pcim", signal.SIGUSR2, "it broke the protocol with boot")
    restarted(s, "tcb", "tcb", signal.SIGHUP, "it broke the protocol with boot")


def test_settings(s):
    os.kill(s.pids()["control"], signal.SIGHUP)
    before = s.pids()
    time.sleep(3)
    check("a shorter watchdog is kept by those that run", s.pids() == before)
    start = time.time()
    test_hang(s)
    check("and a hang is found in its time", time.time() - start < 4, time.time() - start)


def test_hang(s):
    """A stopped process is silent: the watchdog ends it."""
    pids, mark = s.pids(), len(s.lines())
    os.kill(pids["sr-pcim"], signal.SIGSTOP)
    check("a hung process is restarted", wait(45, lambda: s.count("no sign of life", mark) and s.ready()),
          "\n".join(s.lines()[mark:]))
    check("control hears once that it was", wait(5, lambda: s.count(", silent", mark)) and s.count(", silent", mark) == 1,
          "\n".join(s.lines()[mark:]))


def leave_behind(s):
    """A process beside the TCB in its cgroup, as a child of it that hears no signal; None: there are no cgroups."""
    pid = s.pids()["tcb"]
    path = re.search(r"^0::(.*)$", open(f"/proc/{pid}/cgroup").read(), re.M)[1]
    for mount in "/sys/fs/cgroup", "/sys/fs/cgroup/unified":
        procs = f"{mount}{path}/cgroup.procs"
        if path.endswith("/tcb") and os.path.exists(procs):
            left = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            open(procs, "w").write(str(left.pid))
            return left
    return None


def test_end(s):
    """SIGTERM to the holder: all end in order, for good; nobody waits for one that a process has left behind."""
    mark, left = len(s.lines()), leave_behind(s)
    s.holder.terminate()
    try:
        code = s.holder.wait(10)
    except subprocess.TimeoutExpired:
        code = None
    check("the holder ends with status 0 and all are gone", code == 0 and not s.pids(), "\n".join(s.lines()[mark:]))
    check("one that was left behind was neither waited for nor ended", not left or left.poll() is None)
    if left:
        left.kill()
        left.wait()
    else:
        print("SKIP: one that was left behind: no cgroup2")
    check("the command line's socket is gone", not os.path.exists(os.path.join(s.folder, "run", "command.sock")))


def pull_the_plug(s):
    """Without holder and boot nobody has the other ends of the links to boot: everybody ends."""
    if s.holder.poll() is not None:
        return
    s.holder.send_signal(signal.SIGSTOP)
    last = s.boot()
    s.holder.kill()
    s.holder.wait()
    if last:
        os.kill(last, signal.SIGKILL)
    check("without holder and boot all end", wait(5, lambda: not s.pids()), s.pids())


def main():
    if os.getuid() != 0:
        print("SKIP deaths of boot: must be root")
        return 77
    with tempfile.TemporaryDirectory(prefix="parclose-boot-") as folder:
        service = Service(folder)
        try:
            tests = [test_start, test_daemon_deaths, test_boot_deaths, test_both, test_orders, test_anything, test_settings]
            for test in tests + ([test_end] if "--no-end" not in sys.argv else []):
                test(service)
                if bad:
                    break
        finally:
            pull_the_plug(service)
            if bad:
                print("\n".join(service.lines()[-60:]))
    return int(bad)


sys.exit(main())
