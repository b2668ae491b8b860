/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF kernels with a PVH entry: files that lie are refused; one that does not begins with its
 * registers and tables as the protocol says. The last needs /dev/kvm.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "boot_file.h"
#include "layout.h"
#include "pvh.h"
#include "sys.h"
#include "test.h"

#define LOAD 0x1000000

/* A file with one segment of code and one of notes. */
static struct {
    Elf64_Ehdr elf;
    Elf64_Phdr segments[3];
    struct {
        Elf64_Nhdr first;
        char first_owner[8];
        uint32_t first_value;
        Elf64_Nhdr note;
        char owner[4];
        uint64_t entry;
    } notes;
    uint8_t code[64];
} file;
static struct pvh pvh;
static uint32_t entry;

/* mov eax, [ebx]; out 0x20, eax; mov eax, [ebx + 4]; out 0x20, eax; mov eax, [ebx + 48]; out 0x20,
 * eax; hlt */
static const uint8_t code[] = {0x8b, 0x03, 0xe7, 0x20, 0x8b, 0x43, 0x04, 0xe7,
                               0x20, 0x8b, 0x43, 0x30, 0xe7, 0x20, 0xf4};

#define OFFSET(member) ((uint64_t)((uint8_t *)&file.member - (uint8_t *)&file))

static int setup(void **state)
{
    (void)state;
    memset(&file, 0, sizeof(file));
    memcpy(file.elf.e_ident, ELFMAG, SELFMAG);
    file.elf.e_ident[EI_CLASS] = ELFCLASS64;
    file.elf.e_ident[EI_DATA] = ELFDATA2LSB;
    file.elf.e_type = ET_EXEC;
    file.elf.e_machine = EM_X86_64;
    file.elf.e_phentsize = sizeof(Elf64_Phdr);
    file.elf.e_phnum = 3;
    file.elf.e_phoff = OFFSET(segments);
    file.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_offset = OFFSET(code),
                                    .p_paddr = LOAD,
                                    .p_filesz = sizeof(file.code),
                                    .p_memsz = 4096};
    file.segments[1] =
        (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = OFFSET(notes), .p_filesz = sizeof(file.notes)};
    file.segments[2].p_type = PT_GNU_STACK;
    file.notes.first = (Elf64_Nhdr){.n_namesz = 6, .n_descsz = 3, .n_type = 18};
    strcpy(file.notes.first_owner, "Linux");
    file.notes.note = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 8, .n_type = 18};
    strcpy(file.notes.owner, "Xen");
    file.notes.entry = LOAD;
    memcpy(file.code, code, sizeof(code));
    return 0;
}

static int parse(void)
{
    static uint8_t head[PVH_HEAD];

    memset(head, 0, sizeof(head));
    memcpy(head, &file, sizeof(file));
    int rc = pvh_parse(head, sizeof(file), &pvh);
    if (rc == 0)
        rc = pvh_entry(&pvh, (const uint8_t *)&file + pvh.notes_offset, pvh.notes_size, &entry);
    return rc;
}

static void good_file(void **state)
{
    (void)state;
    assert_int_equal(parse(), 0);
    assert_int_equal(pvh.segments_count, 1);
    assert_int_equal(pvh.end, LOAD + 4096);
    assert_int_equal(entry, LOAD);
}

#define REFUSED(member, value, error)                                                              \
    do {                                                                                           \
        setup(state);                                                                              \
        file.member = (value);                                                                     \
        assert_int_equal(parse(), error);                                                          \
    } while (0)

static void not_such_a_file(void **state)
{
    REFUSED(elf.e_ident[0], 'x', -ENOEXEC);
    REFUSED(elf.e_ident[EI_CLASS], ELFCLASS32, -ENOEXEC);
    REFUSED(elf.e_ident[EI_DATA], ELFDATA2MSB, -ENOEXEC);
    REFUSED(elf.e_machine, EM_386, -ENOEXEC);
    REFUSED(elf.e_type, ET_REL, -ENOEXEC);
    REFUSED(elf.e_phentsize, 55, -ENOEXEC);
    REFUSED(elf.e_phnum, 0, -ENOEXEC);
    REFUSED(segments[0].p_type, PT_NULL, -ENOEXEC);
    REFUSED(segments[1].p_type, PT_NULL, -ENOEXEC);
    REFUSED(notes.owner[0], 'Y', -ENOEXEC);
    REFUSED(notes.note.n_type, 17, -ENOEXEC);
    REFUSED(notes.note.n_descsz, 2, -ENOEXEC);
    REFUSED(notes.entry, LOAD - 1, -ENOEXEC);
    REFUSED(notes.entry, LOAD + sizeof(file.code), -ENOEXEC);
}

static void sizes_that_lie(void **state)
{
    REFUSED(elf.e_phoff, UINT64_MAX, -EFBIG);
    REFUSED(elf.e_phoff, PVH_HEAD - 10, -EFBIG);
    REFUSED(elf.e_phnum, 1000, -EFBIG);
    REFUSED(segments[0].p_offset, UINT64_MAX, -EFBIG);
    REFUSED(segments[0].p_filesz, UINT64_MAX, -EFBIG);
    REFUSED(segments[0].p_filesz, sizeof(file), -EFBIG);
    REFUSED(segments[0].p_memsz, 1, -EFBIG); /* less than the file has */
    REFUSED(segments[0].p_memsz, UINT64_MAX, -EFBIG);
    REFUSED(segments[0].p_paddr, 0x1000, -EFBIG);
    REFUSED(segments[0].p_paddr, UINT64_MAX, -EFBIG);
    REFUSED(segments[0].p_paddr, LAYOUT_LOW_MAX - 4095, -EFBIG);
    REFUSED(segments[1].p_filesz, UINT64_MAX, -EFBIG);
    REFUSED(notes.first.n_namesz, UINT32_MAX, -ENOEXEC);
    REFUSED(notes.first.n_descsz, UINT32_MAX, -ENOEXEC);
    REFUSED(notes.note.n_descsz, 9, -ENOEXEC);
    REFUSED(segments[1].p_filesz, 10, -ENOEXEC);
}

/* ---- in a guest ---- */

static struct guest_memory memory;
static struct vm vm = {.vcpus_count = 1};

static int make_machine(void)
{
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY_MIN};

    vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (vm.kvm < 0 || vm_create(&vm, false) < 0 || memory_make(&memory, MEMORY_MIN, UINT32_MAX, 0))
        return -1;
    region.userspace_addr = (uint64_t)memory.base;
    return (int)sys_ioctl_ptr(vm.fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int written(const void *bytes, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    assert_int_equal(write(fd, bytes, size), size);
    return fd;
}

/* What the guest says next at port 0x20. */
static uint32_t next(void)
{
    for (int i = 0; i < 100; i++) {
        long rc = sys_ioctl(vm.vcpus[0], KVM_RUN, 0);
        if (rc == -EINTR)
            continue;
        assert_int_equal(rc, 0);
        assert_int_equal(vm.runs[0]->exit_reason, KVM_EXIT_IO);
        assert_int_equal(vm.runs[0]->io.port, 0x20);
        return *(uint32_t *)((uint8_t *)vm.runs[0] + vm.runs[0]->io.data_offset);
    }
    fail();
    return 0;
}

static void it_begins_as_the_protocol_says(void **state)
{
    static const char initrd[] = "an initrd";
    struct boot_entry begin;
    const char *what = "";

    (void)state;
    if (access("/dev/kvm", R_OK | W_OK) < 0 || make_machine() < 0) {
        print_message("SKIP: no /dev/kvm here\n");
        skip();
    }
    const struct boot_config config = {.kernel = written(&file, sizeof(file)),
                                       .initrd = written(initrd, sizeof(initrd)),
                                       .cmdline = "quiet",
                                       .vcpus = 1};
    assert_int_equal(boot_load(&config, &memory, &begin, &what), 0);
    assert_int_equal(begin.mode, BOOT_PROTECTED);
    const uint32_t *info = memory_at(&memory, (struct gpa){begin.info}, 56);
    assert_int_equal(info[3], 1); /* modules */
    const uint64_t *module = memory_at(&memory, (struct gpa){info[4]}, 32);
    assert_int_equal(module[1], sizeof(initrd));
    assert_string_equal(memory_at(&memory, (struct gpa){module[0]}, module[1]), initrd);
    assert_string_equal(memory_at(&memory, (struct gpa){info[6]}, 6), "quiet");
    assert_memory_equal(memory_at(&memory, (struct gpa){info[8]}, 8), "RSD PTR ", 8);
    if (boot_processors(&vm, &begin) < 0) {
        print_message("SKIP: this /dev/kvm cannot set CPUID or memory types\n");
        skip();
    }
    assert_int_equal(next(), 0x336ec578);
    assert_int_equal(next(), 1);
    assert_int_equal(next(), info[12]); /* entries of the memory map */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_file, setup),
        cmocka_unit_test_setup(not_such_a_file, setup),
        cmocka_unit_test_setup(sizes_that_lie, setup),
        cmocka_unit_test_setup(it_begins_as_the_protocol_says, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
