/* SPDX-License-Identifier: Apache-2.0 */
#include "pvh.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "layout.h"

#define NOTE_PHYS32_ENTRY 18

bool pvh_is_elf(const uint8_t head[PVH_HEAD])
{
    return memcmp(head, ELFMAG, SELFMAG) == 0;
}

static int check_head(const Elf64_Ehdr *elf)
{
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
        elf->e_ident[EI_DATA] != ELFDATA2LSB || elf->e_machine != EM_X86_64 ||
        (elf->e_type != ET_EXEC && elf->e_type != ET_DYN) || elf->e_phentsize != sizeof(Elf64_Phdr))
        return -ENOEXEC;
    if (elf->e_phoff > PVH_HEAD || elf->e_phnum * sizeof(Elf64_Phdr) > PVH_HEAD - elf->e_phoff)
        return -EFBIG;
    return 0;
}

static bool inside(uint64_t start, uint64_t size, uint64_t end)
{
    return start <= end && size <= end - start;
}

static int add_segment(struct pvh *pvh, const Elf64_Phdr *header)
{
    if (header->p_memsz == 0)
        return 0;
    if (pvh->segments_count == PVH_SEGMENTS_MAX || header->p_filesz > header->p_memsz ||
        header->p_paddr < LAYOUT_HIGH_START ||
        !inside(header->p_paddr, header->p_memsz, LAYOUT_LOW_MAX))
        return -EFBIG;
    pvh->segments[pvh->segments_count++] =
        (struct pvh_segment){header->p_offset, header->p_filesz, header->p_paddr, header->p_memsz};
    if (header->p_paddr + header->p_memsz > pvh->end)
        pvh->end = header->p_paddr + header->p_memsz;
    return 0;
}

int pvh_parse(const uint8_t head[PVH_HEAD], uint64_t file_size, struct pvh *out)
{
    Elf64_Ehdr elf;
    struct pvh pvh = {.segments_count = 0};

    memcpy(&elf, head, sizeof(elf));
    int rc = check_head(&elf);

    for (uint32_t i = 0; i < elf.e_phnum && rc == 0; i++) {
        Elf64_Phdr header;
        memcpy(&header, head + elf.e_phoff + i * sizeof(header), sizeof(header));
        if (header.p_type != PT_LOAD && header.p_type != PT_NOTE)
            continue;
        if (!inside(header.p_offset, header.p_filesz, file_size))
            return -EFBIG;
        if (header.p_type == PT_LOAD) {
            rc = add_segment(&pvh, &header);
        } else {
            pvh.notes_offset = header.p_offset;
            pvh.notes_size = header.p_filesz < PVH_NOTES ? header.p_filesz : PVH_NOTES;
        }
    }
    if (rc == 0 && (pvh.segments_count == 0 || pvh.notes_size == 0))
        rc = -ENOEXEC;
    if (rc == 0)
        *out = pvh;
    return rc;
}

static bool is_loaded(const struct pvh *pvh, uint64_t address)
{
    for (uint32_t i = 0; i < pvh->segments_count; i++)
        if (address >= pvh->segments[i].paddr &&
            address - pvh->segments[i].paddr < pvh->segments[i].file_size)
            return true;
    return false;
}

static uint64_t padded(uint32_t size)
{
    return ((uint64_t)size + 3) & ~UINT64_C(3);
}

/* Notes follow one another: header, owner, description, the last two padded to 4. */
int pvh_entry(const struct pvh *pvh, const uint8_t *notes, uint64_t size, uint32_t *entry)
{
    uint64_t at = 0;

    while (inside(at, sizeof(Elf64_Nhdr), size)) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        uint64_t owner = at + sizeof(note), description = owner + padded(note.n_namesz);
        if (!inside(description, note.n_descsz, size))
            break;
        at = description + padded(note.n_descsz);
        if (note.n_type != NOTE_PHYS32_ENTRY || note.n_namesz != 4 ||
            memcmp(notes + owner, "Xen", 4) != 0 || note.n_descsz < 4)
            continue;
        memcpy(entry, notes + description, 4);
        return is_loaded(pvh, *entry) ? 0 : -ENOEXEC;
    }
    return -ENOEXEC;
}
