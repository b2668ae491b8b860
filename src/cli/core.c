/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/procfs.h>

#define VMCOREINFO      "VMCOREINFO" /* the note's name; its text begins with the release */
#define VMCOREINFO_TEXT "OSRELEASE="
#define QEMU_VERSION    1
#define EXTENT_MAX      (UINT64_C(1) << 46)

/* "QEMU" notes (QEMU, target/i386/arch_dump.c: QEMUCPUState), fields by name and size. */
struct qemu_segment {
    uint32_t selector, limit, flags, pad;
    uint64_t base;
};
struct qemu_state {
    uint32_t version, size;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8_r15[8], rip, rflags;
    struct qemu_segment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
    uint64_t cr[5];
    uint64_t kernel_gs_base;
};
_Static_assert(sizeof(struct qemu_segment) == 24 && sizeof(struct qemu_state) == 440, "layout");
_Static_assert(sizeof(struct elf_prstatus) == 336, "layout");

static size_t align4(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static size_t note_size(const char *name, size_t size)
{
    return sizeof(Elf64_Nhdr) + align4(strlen(name) + 1) + align4(size);
}

/* ---- places ---- */

static bool extents_ok(const struct session_info *info)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < 2; i++) {
        const struct session_extent *e = &info->extents[i];

        if (e->size == 0)
            continue;
        if (e->gpa % CORE_PAGE || e->size % CORE_PAGE || e->size > EXTENT_MAX ||
            e->gpa > EXTENT_MAX || e->gpa < end)
            return false;
        end = e->gpa + e->size;
    }
    return end > 0;
}

int core_begin(struct core *core, const struct session_info *info)
{
    if (!extents_ok(info) || info->vcpus_count < 1 || info->vcpus_count > PARCLOSE_MAX_VCPUS)
        return -EINVAL;
    *core = (struct core){.vcpus_count = info->vcpus_count};
    for (unsigned i = 0; i < 2; i++)
        if (info->extents[i].size)
            core->extents[core->extents_count++] = info->extents[i];
    return 0;
}

static size_t headers_size(const struct core *core)
{
    return sizeof(Elf64_Ehdr) + (1 + core->extents_count) * sizeof(Elf64_Phdr);
}

static size_t notes_size(const struct core *core)
{
    return core->vcpus_count * (note_size("CORE", sizeof(struct elf_prstatus)) +
                                note_size("QEMU", sizeof(struct qemu_state))) +
           core->vmcoreinfo_size;
}

void core_place(struct core *core)
{
    uint64_t front = headers_size(core) + notes_size(core);

    core->size = (front + CORE_PAGE - 1) / CORE_PAGE * CORE_PAGE;
    for (uint32_t i = 0; i < core->extents_count; i++) {
        core->offsets[i] = core->size;
        core->size += core->extents[i].size;
    }
}

/* ---- headers ---- */

static void put_headers(const struct core *core, uint8_t *bytes)
{
    Elf64_Ehdr *elf = (Elf64_Ehdr *)(void *)bytes;
    Elf64_Phdr *segments = (Elf64_Phdr *)(void *)(bytes + sizeof(*elf));

    *elf = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(*elf),
        .e_ehsize = sizeof(*elf),
        .e_phentsize = sizeof(*segments),
        .e_phnum = (Elf64_Half)(core->extents_count + 1)};
    segments[0] = (Elf64_Phdr){
        .p_type = PT_NOTE, .p_offset = headers_size(core), .p_filesz = notes_size(core)};
    for (uint32_t i = 0; i < core->extents_count; i++)
        segments[1 + i] = (Elf64_Phdr){.p_type = PT_LOAD,
                                       .p_flags = PF_R | PF_W | PF_X,
                                       .p_offset = core->offsets[i],
                                       .p_vaddr = core->extents[i].gpa,
                                       .p_paddr = core->extents[i].gpa,
                                       .p_filesz = core->extents[i].size,
                                       .p_memsz = core->extents[i].size};
}

/* ---- notes ---- */

static uint8_t *put_note(uint8_t *at, const char *name, uint32_t type, const void *data,
                         size_t size)
{
    Elf64_Nhdr header = {(Elf64_Word)strlen(name) + 1, (Elf64_Word)size, type};

    memcpy(at, &header, sizeof(header));
    strcpy((char *)at + sizeof(header), name);
    memcpy(at + sizeof(header) + align4(header.n_namesz), data, size);
    return at + note_size(name, size);
}

/* The order of struct user_regs_struct, which pr_reg is (sys/user.h). */
static void fill_prstatus(uint32_t vcpu, const struct session_registers *r,
                          struct elf_prstatus *status)
{
    const struct kvm_regs *g = &r->regs;
    const struct kvm_sregs *s = &r->sregs;
    const uint64_t regs[] = {
        g->r15,         g->r14,         g->r13,        g->r12,
        g->rbp,         g->rbx,         g->r11,        g->r10,
        g->r9,          g->r8,          g->rax,        g->rcx,
        g->rdx,         g->rsi,         g->rdi,        g->rax /* as orig_rax */,
        g->rip,         s->cs.selector, g->rflags,     g->rsp,
        s->ss.selector, s->fs.base,     s->gs.base,    s->ds.selector,
        s->es.selector, s->fs.selector, s->gs.selector};

    _Static_assert(sizeof(regs) == sizeof(status->pr_reg), "layout");
    memset(status, 0, sizeof(*status));
    status->pr_pid = (pid_t)vcpu + 1;
    memcpy(&status->pr_reg, regs, sizeof(regs));
}

/* As a descriptor's second word has it: type, S, DPL, P, AVL, L, D/B, G (AMD APM 2, 4.7). */
static struct qemu_segment segment_of(const struct kvm_segment *s)
{
    return (struct qemu_segment){.selector = s->selector,
                                 .limit = s->limit,
                                 .flags = (uint32_t)s->type << 8 | (uint32_t)s->s << 12 |
                                          (uint32_t)s->dpl << 13 | (uint32_t)s->present << 15 |
                                          (uint32_t)s->avl << 20 | (uint32_t)s->l << 21 |
                                          (uint32_t)s->db << 22 | (uint32_t)s->g << 23,
                                 .base = s->base};
}

static struct qemu_segment table_of(const struct kvm_dtable *t)
{
    return (struct qemu_segment){.limit = t->limit, .base = t->base};
}

static void fill_qemu(const struct session_registers *r, struct qemu_state *state)
{
    const struct kvm_regs *g = &r->regs;
    const struct kvm_sregs *s = &r->sregs;

    *state = (struct qemu_state){
        .version = QEMU_VERSION,
        .size = sizeof(*state),
        .rax = g->rax,
        .rbx = g->rbx,
        .rcx = g->rcx,
        .rdx = g->rdx,
        .rsi = g->rsi,
        .rdi = g->rdi,
        .rsp = g->rsp,
        .rbp = g->rbp,
        .r8_r15 = {g->r8, g->r9, g->r10, g->r11, g->r12, g->r13, g->r14, g->r15},
        .rip = g->rip,
        .rflags = g->rflags,
        .cs = segment_of(&s->cs),
        .ds = segment_of(&s->ds),
        .es = segment_of(&s->es),
        .fs = segment_of(&s->fs),
        .gs = segment_of(&s->gs),
        .ss = segment_of(&s->ss),
        .ldt = segment_of(&s->ldt),
        .tr = segment_of(&s->tr),
        .gdt = table_of(&s->gdt),
        .idt = table_of(&s->idt),
        .cr = {s->cr0, 0, s->cr2, s->cr3, s->cr4},
        .kernel_gs_base = r->kernel_gs_base,
    };
}

void core_front(const struct core *core, const struct session_registers *registers, uint8_t *bytes)
{
    struct elf_prstatus status;
    struct qemu_state state;
    uint8_t *at = bytes + headers_size(core);

    memset(bytes, 0, core->offsets[0]);
    put_headers(core, bytes);
    for (uint32_t i = 0; i < core->vcpus_count; i++) {
        fill_prstatus(i, &registers[i], &status);
        at = put_note(at, "CORE", NT_PRSTATUS, &status, sizeof(status));
    }
    for (uint32_t i = 0; i < core->vcpus_count; i++) {
        fill_qemu(&registers[i], &state);
        at = put_note(at, "QEMU", 0, &state, sizeof(state));
    }
    memcpy(at, core->vmcoreinfo, core->vmcoreinfo_size);
}

/* Linux makes it at boot, in pages of its own (kernel/vmcore_info.c, update_vmcoreinfo_note). */
bool core_look(struct core *core, const uint8_t page[CORE_PAGE])
{
    const size_t text = sizeof(Elf64_Nhdr) + 12; /* the name's eleven bytes, aligned */
    Elf64_Nhdr header;

    memcpy(&header, page, sizeof(header));
    if (header.n_namesz != sizeof(VMCOREINFO) || header.n_type != 0 ||
        header.n_descsz > CORE_VMCOREINFO_MAX - text || header.n_descsz < sizeof(VMCOREINFO_TEXT) ||
        memcmp(page + sizeof(header), VMCOREINFO, sizeof(VMCOREINFO)) != 0 ||
        memcmp(page + text, VMCOREINFO_TEXT, sizeof(VMCOREINFO_TEXT) - 1) != 0)
        return false;
    core->vmcoreinfo_size = text + align4(header.n_descsz); /* at most the page: text is aligned */
    memcpy(core->vmcoreinfo, page, core->vmcoreinfo_size);
    return true;
}
