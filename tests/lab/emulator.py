"""The lab's emulator is Debian's QEMU with one instruction taken out of a copy.

QEMU's VMRUN (target/i386/tcg/system/svm_helper.c, helper_vmrun, up to 11.1 at least) delivers an interrupt that the
hypervisor injects, and leaves its vector in exception_index. When another thread asks the processor to stop (each change
of the memory map does: a device's memory is switched on or off, a BAR moves) before the guest's next exit, the main loop
takes that for an exception and delivers the same vector a second time, whatever the guest has masked: an EOI of nothing
(trace: kvm_eoi vector -1), then a guest that waits for its own lock. Hardware does no such thing. Figures: README.md.
"""
import os
import re
import struct

# INTR: error_code, exception_index = vector, exception_is_int = 0, exception_next_eip = -1; %rbx is the processor
STORE = re.compile(rb"\x44\x89\xab.{4}(?P<store>\x89\xb3.{4})\xc7\x83.{4}\0\0\0\0\x48\xc7\x83.{4}\xff\xff\xff\xff", re.S)
NOP6 = b"\x66\x0f\x1f\x44\x00\x00"


def symbol(elf, name):
    """(offset, size) in the file of a function that a 64-bit ELF file exports, or None."""
    at, = struct.unpack_from("<Q", elf, 0x28)
    size, count = struct.unpack_from("<HH", elf, 0x3a)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, at + n * size) for n in range(count)]
    for kind, offset, length, link, each in ((s[1], s[4], s[5], s[6], s[9]) for s in sections):
        if kind != 11:  # SHT_DYNSYM
            continue
        names = sections[link][4]
        for entry in range(offset, offset + length, each):
            where, _, _, section, value, bytes_ = struct.unpack_from("<IBBHQQ", elf, entry)
            if section and elf[names + where:elf.index(b"\0", names + where)] == name:
                return value - sections[section][3] + sections[section][4], bytes_
    return None


def mend(source, copy):
    """Writes the mended copy; False, and none, when the place is not as it is known."""
    elf = bytearray(open(source, "rb").read())
    found = symbol(elf, b"helper_vmrun")
    stores = list(STORE.finditer(elf, found[0], sum(found))) if found else []
    if len(stores) != 1:
        return False
    elf[stores[0].start("store"):stores[0].end("store")] = NOP6
    with open(copy, "wb") as f:
        f.write(elf)
        os.fchmod(f.fileno(), 0o755)
    return True
