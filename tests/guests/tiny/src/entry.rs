//! Where Xen jumps in: the ELF notes, the two entry points, and what the compiler counts on.
//!
//! Both entries fill the hypercall page, set up a stack and go on in Rust with the address of the
//! boot structure. PV starts in 64-bit mode with paging on (public/xen.h, Xen 4.17) and its page
//! was filled by the domain builder. PVH starts in 32-bit mode without paging (docs/misc/pvh.pandoc)
//! and asks for the page through the MSR that CPUID names (public/arch-x86/cpuid.h).

use core::arch::global_asm;

// Numbers from public/elfnote.h.
global_asm!(
    ".macro xen_note type, body:vararg",
    "    .balign 4",
    "    .long 4, 2f - 1f, \\type",
    "    .asciz \"Xen\"",
    "1:  \\body",
    "2:",
    "    .balign 4",
    ".endm",
    ".pushsection .note.Xen, \"a\", @note",
    "xen_note 1, .quad pv_entry",       // ENTRY
    "xen_note 2, .quad hypercall_page", // HYPERCALL_PAGE
    "xen_note 3, .quad 0",              // VIRT_BASE
    "xen_note 4, .quad 0",              // PADDR_OFFSET
    "xen_note 5, .asciz \"xen-3.0\"",   // XEN_VERSION
    "xen_note 6, .asciz \"tiny\"",      // GUEST_OS
    "xen_note 8, .asciz \"generic\"",   // LOADER
    "xen_note 18, .long pvh_entry",     // PHYS32_ENTRY
    ".popsection",
);

global_asm!(
    ".pushsection .text.entry, \"ax\", @progbits",
    ".code64",
    ".global pv_entry",
    "pv_entry:", // rsi: start_info
    "    cld",
    "    lea rsp, [rip + stack_end]",
    "    mov rdi, rsi",
    "    call {start_pv}",
    "    ud2",
    ".popsection",
    start_pv = sym crate::start_pv,
);

global_asm!(
    ".pushsection .text.entry, \"ax\", @progbits",
    ".code32",
    "pvh_entry:", // ebx: hvm_start_info
    "    cld",
    "    mov esp, offset stack_end",
    "    mov ebp, ebx",
    // The Xen leaves stand 0x100 apart from others that Xen may show below them (Viridian).
    "    mov edi, 0x40000000",
    "2:  mov eax, edi",
    "    cpuid",
    "    cmp ebx, 0x566e6558", // \"XenV\"
    "    je 3f",
    "    add edi, 0x100",
    "    cmp edi, 0x40010000",
    "    jb 2b",
    "    ud2",
    "3:  lea eax, [edi + 2]",
    "    cpuid", // ebx: the MSR
    "    mov ecx, ebx",
    "    mov eax, offset hypercall_page",
    "    xor edx, edx",
    "    wrmsr",
    // The first 4 GiB, virtual = physical, in 2 MiB pages: Xen's shared pages lie just below 4 GiB.
    "    mov edi, offset page_directories",
    "    mov eax, 0x83", // large, writable, present
    "    mov ecx, 2048",
    "4:  mov [edi], eax",
    "    add edi, 8",
    "    add eax, 0x200000",
    "    loop 4b",
    "    mov edi, offset page_pointers",
    "    mov eax, offset page_directories + 3",
    "    mov ecx, 4",
    "5:  mov [edi], eax",
    "    add edi, 8",
    "    add eax, 4096",
    "    loop 5b",
    "    mov edi, offset page_root",
    "    mov eax, offset page_pointers + 3",
    "    mov [edi], eax",
    "    mov cr3, edi",
    // PAE, and OSFXSR with OSXMMEXCPT: the compiler uses SSE for moves.
    "    mov eax, cr4",
    "    or eax, 0x620",
    "    mov cr4, eax",
    "    mov ecx, 0xc0000080", // EFER.LME
    "    rdmsr",
    "    or eax, 0x100",
    "    wrmsr",
    // PG, NE, MP and PE on, TS and EM off.
    "    mov eax, cr0",
    "    or eax, 0x80000023",
    "    and eax, 0xfffffff3",
    "    mov cr0, eax",
    "    lgdt [gdt_pointer]",
    "    push 8",
    "    mov eax, offset pvh_long_mode",
    "    push eax",
    "    retf",
    ".code64",
    "pvh_long_mode:",
    "    mov eax, 16",
    "    mov ds, eax",
    "    mov es, eax",
    "    mov ss, eax",
    "    lea rsp, [rip + stack_end]",
    "    mov edi, ebp",
    "    call {start_pvh}",
    "    ud2",
    ".popsection",
    ".pushsection .data.entry, \"aw\", @progbits",
    ".balign 8",
    "gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff", // null, 64-bit code, data
    "gdt_pointer:",
    "    .word 23",
    "    .long gdt",
    ".popsection",
    ".pushsection .bss.entry, \"aw\", @nobits",
    ".balign 4096",
    "hypercall_page: .skip 4096",
    "page_root: .skip 4096",
    "page_pointers: .skip 4096",
    "page_directories: .skip 16384",
    "stack: .skip 32768",
    "stack_end:",
    ".popsection",
    start_pvh = sym crate::start_pvh,
);

// What the compiler calls on its own and the C library would have.
global_asm!(
    ".pushsection .text.memory, \"ax\", @progbits",
    ".global memcpy, memmove, memset, memcmp, bcmp, strlen",
    "memmove:",
    "    mov rax, rdi",
    "    sub rax, rsi",
    "    cmp rax, rdx", // below: the destination starts inside the source
    "    jae memcpy",
    "    mov rax, rdi",
    "    mov rcx, rdx",
    "    lea rdi, [rdi + rdx - 1]",
    "    lea rsi, [rsi + rdx - 1]",
    "    std",
    "    rep movsb",
    "    cld",
    "    ret",
    "memcpy:",
    "    mov rax, rdi",
    "    mov rcx, rdx",
    "    rep movsb",
    "    ret",
    "memset:",
    "    mov r8, rdi",
    "    mov eax, esi",
    "    mov rcx, rdx",
    "    rep stosb",
    "    mov rax, r8",
    "    ret",
    "memcmp:",
    "bcmp:",
    "    xor eax, eax",
    "    mov rcx, rdx",
    "    cmp rcx, rcx", // equal if there is nothing to compare
    "    repe cmpsb",
    "    je 2f",
    "    movzx eax, byte ptr [rdi - 1]",
    "    movzx ecx, byte ptr [rsi - 1]",
    "    sub eax, ecx",
    "    neg eax",
    "2:  ret",
    "strlen:",
    "    xor eax, eax",
    "    mov rcx, -1",
    "    repne scasb",
    "    mov rax, -2",
    "    sub rax, rcx",
    "    ret",
    ".popsection",
);
