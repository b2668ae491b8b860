/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the bare guest begins: PVH entry (32 bits, EBX: hvm_start_info), then 64 bits with the first
 * GIBS one to one in pages of 2 MiB; its second processor, from a copy of `second` at SECOND_AT;
 * and what catches all exceptions and interrupts (trap.c).
 */
#define GIBS      32
#define SECOND_AT 0x7000

    .section .note.Xen, "a", @note
    .align 4
    .long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start32

    .text
    .code32
    .globl start32
start32:
    cli
    movl $stack_top, %esp
    movl %ebx, start_info
    movl $pdpt + 3, %eax
    movl %eax, pml4
    movl $directories + 3, %eax
    movl $pdpt, %edi
    movl $GIBS, %ecx
1:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 1b
    movl $directories, %edi
    movl $GIBS * 512, %ecx
    movl $0x83, %eax
    xorl %edx, %edx
2:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $0x200000, %eax
    adcl $0, %edx
    addl $8, %edi
    loop 2b
    call to_long_mode
    .code64
    movq $stack_top, %rsp
    call guest_main
3:  hlt
    jmp 3b

/* Comes back in 64 bits; the stack's low half of the return address is enough. */
    .code32
to_long_mode:
    popl %esi
    movl $pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x08, $4f
    .code64
4:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %ebp, %ebp
    movl %esi, %esi
    jmp *%rsi

/* ---- the second processor: real mode, at SECOND_AT:0 ---- */
    .code16
    .globl second, second_end
second:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl SECOND_AT + (5f - second)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x18, $second32
    .align 4
5:  .word gdt_end - gdt - 1
    .long gdt
second_end:
    .code32
second32:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %ss
    movl $second_stack_top, %esp
    call to_long_mode
    .code64
    movq $second_stack_top, %rsp
    call second_main
6:  hlt
    jmp 6b

/* ---- traps ---- */
    .macro stub number
    .align 16
    .if \number != 8 && \number != 17 && \number != 21 && (\number < 10 || \number > 14)
    pushq $0
    .endif
    pushq $\number
    jmp trap
    .endm
    .align 16
    .globl stubs
stubs:
    .altmacro
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr
trap:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    leaq 72(%rsp), %rdi
    cld
    call guest_trap
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .data
    .align 16
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .globl start_info
start_info:
    .long 0

    .bss
    .align 4096
pml4:
    .skip 4096
pdpt:
    .skip 4096
directories:
    .skip GIBS * 4096
    .skip 16384
stack_top:
    .skip 16384
second_stack_top:
    .section .note.GNU-stack, "", @progbits
