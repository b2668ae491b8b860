"""The lab's emulator is Debian's QEMU, with two instructions of target/i386/tcg/system changed in a copy.

1. helper_vmrun (up to QEMU 11.1 at least) delivers an interrupt that the hypervisor injects, and leaves its vector in
   exception_index. When another thread asks the processor to stop before the guest's next exit (each change of the memory
   map does: a device's memory is switched on or off, a BAR moves), the main loop takes that for an exception and delivers
   the same vector a second time, whatever the guest has masked: an EOI of nothing (trace: kvm_eoi vector -1), then a guest
   that waits for its own lock. Mended: the vector is not stored.
2. helper_write_crN calls cpu_interrupt without the lock when a guest writes CR8 while its hypervisor waits to inject:
   "assertion failed: (bql_locked())". Mended: no call; VMRUN has said it already (KVM asks with the highest priority).

Hardware does no such things. Figures: README.md.
"""
import os
import re
import struct

# INTR: error_code, exception_index = vector, exception_is_int = 0, exception_next_eip = -1; %rbx is the processor
STORE = re.compile(rb"\x44\x89\xab.{4}(?P<old>\x89\xb3.{4})\xc7\x83.{4}\0\0\0\0\x48\xc7\x83.{4}\xff\xff\xff\xff", re.S)
# CPU_INTERRUPT_VIRQ is the second argument; the last thing that the function does is to jump
JUMP = re.compile(rb"\xbe\x00\x01\x00\x00(?:[\x5b\x5d]|\x41[\x5c-\x5f])*(?P<old>\xe9(?P<by>.{4}))", re.S)


class Elf:
    """The functions that a 64-bit ELF file exports."""

    def __init__(self, data):
        self.data = data
        at, = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3a)
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + n * size) for n in range(count)]
        _, _, _, _, self.symbols, self.length, names, *_ = next(s for s in sections if s[1] == 11)  # SHT_DYNSYM
        self.names, self.end = sections[names][4], sections[names][4] + sections[names][5]
        self.sections = sections

    def function(self, name):
        """The range of its bytes in the file; empty when there is none."""
        where = self.data.find(b"\0" + name + b"\0", self.names, self.end) + 1 - self.names
        for entry in range(self.symbols, self.symbols + self.length, 24):
            at, _, _, section, value, size = struct.unpack_from("<IBBHQQ", self.data, entry)
            if at == where and section:
                start = value - self.sections[section][3] + self.sections[section][4]
                return range(start, start + size)
        return range(0)


def injected(elf):
    body = elf.function(b"helper_vmrun")
    return [m.span("old") for m in STORE.finditer(elf.data, body.start, body.stop)], b"\x66\x0f\x1f\x44\0\0"  # nopw


def task_priority(elf):
    body, to = elf.function(b"helper_write_crN"), elf.function(b"cpu_interrupt")
    jumps = [m for m in JUMP.finditer(elf.data, body.start, body.stop)
             if m.end() + struct.unpack("<i", m["by"])[0] == to.start]
    return [m.span("old") for m in jumps], b"\xc3\xcc\xcc\xcc\xcc"  # ret


def mend(source, copy):
    """Writes the mended copy; False, and none, when a place is not as it is known."""
    with open(source, "rb") as f:
        data = bytearray(f.read())
    elf = Elf(data)
    for places, new in (injected(elf), task_priority(elf)):
        if len(places) != 1:
            return False
        data[slice(*places[0])] = new
    with open(copy, "wb") as f:
        f.write(data)
        os.fchmod(f.fileno(), 0o755)
    return True
