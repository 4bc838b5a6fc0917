//! Virtual CPUs: their state and their registers.

crate::c_structs! {
    /// `xc_vcpuinfo_t` (`struct xen_domctl_getvcpuinfo`, `xen/include/public/domctl.h`).
    pub struct VcpuInfo = "xc_vcpuinfo_t" [15, 22], 24 bytes {
        0: vcpu: u32,
        4: online: u8,
        5: blocked: u8,
        6: running: u8,
        8: cpu_time: u64,
        16: cpu: u32,
    }

    /// What a virtual CPU starts from and can be set to: `vcpu_guest_context_t` of 64-bit x86
    /// (`xen/include/public/arch-x86/xen.h`), as large as the `vcpu_guest_context_any_t` that libxc
    /// passes.
    ///
    /// Of HVM, PVH and 64-bit PV domains. Of a 32-bit PV domain the same bytes have the layout of
    /// 32-bit x86, and only [`VcpuContext::as_bytes`] says something.
    pub struct VcpuContext = "vcpu_guest_context_t" [15, 22], 5168 bytes {
        0: fpu_ctxt: [[u8; 32]; 16],
        512: flags: u64,
        520: r15 ("user_regs.r15"): u64,
        528: r14 ("user_regs.r14"): u64,
        536: r13 ("user_regs.r13"): u64,
        544: r12 ("user_regs.r12"): u64,
        552: rbp ("user_regs.rbp"): u64,
        560: rbx ("user_regs.rbx"): u64,
        568: r11 ("user_regs.r11"): u64,
        576: r10 ("user_regs.r10"): u64,
        584: r9 ("user_regs.r9"): u64,
        592: r8 ("user_regs.r8"): u64,
        600: rax ("user_regs.rax"): u64,
        608: rcx ("user_regs.rcx"): u64,
        616: rdx ("user_regs.rdx"): u64,
        624: rsi ("user_regs.rsi"): u64,
        632: rdi ("user_regs.rdi"): u64,
        640: error_code ("user_regs.error_code"): u32,
        644: entry_vector ("user_regs.entry_vector"): u32,
        648: rip ("user_regs.rip"): u64,
        656: cs ("user_regs.cs"): u16,
        658: pad0 ("user_regs._pad0"): u16,
        660: saved_upcall_mask ("user_regs.saved_upcall_mask"): u8,
        661: pad1 ("user_regs._pad1"): [u8; 3],
        664: rflags ("user_regs.rflags"): u64,
        672: rsp ("user_regs.rsp"): u64,
        680: ss ("user_regs.ss"): u16,
        682: pad2 ("user_regs._pad2"): [u16; 3],
        688: es ("user_regs.es"): u16,
        690: pad3 ("user_regs._pad3"): [u16; 3],
        696: ds ("user_regs.ds"): u16,
        698: pad4 ("user_regs._pad4"): [u16; 3],
        704: fs ("user_regs.fs"): u16,
        706: pad5 ("user_regs._pad5"): [u16; 3],
        712: gs ("user_regs.gs"): u16,
        714: pad6 ("user_regs._pad6"): [u16; 3],
        720: trap_ctxt: [[[u64; 2]; 16]; 16],
        4816: ldt_base: u64,
        4824: ldt_ents: u64,
        4832: gdt_frames: [u64; 16],
        4960: gdt_ents: u64,
        4968: kernel_ss: u64,
        4976: kernel_sp: u64,
        4984: ctrlreg: [u64; 8],
        5048: debugreg: [u64; 8],
        5112: event_callback_eip: u64,
        5120: failsafe_callback_eip: u64,
        5128: syscall_callback_eip: u64,
        5136: vm_assist: u64,
        5144: fs_base: u64,
        5152: gs_base_kernel: u64,
        5160: gs_base_user: u64,
    }
}

impl VcpuContext {
    /// All of it, whatever its layout.
    pub fn as_bytes(&self) -> &[u8; size_of::<Self>()] {
        // SAFETY: every byte must be initialised: the fields are integers and leave no gap, which a
        // test of this module sums up. Bytes have no alignment.
        unsafe { &*std::ptr::from_ref(self).cast() }
    }
}

/// What is declared under a second name.
pub(crate) const SAME: &[crate::DeclaredLayout] = &[crate::DeclaredLayout {
    name: "vcpu_guest_context_any_t",
    minors: crate::ALL_MINORS,
    size: size_of::<VcpuContext>(),
    fields: &[],
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_no_byte_outside_its_fields() {
        let context = LAYOUTS.iter().find(|layout| layout.name == "vcpu_guest_context_t").unwrap();
        let covered: usize = context.fields.iter().map(|(_, _, size)| size).sum();
        assert_eq!(covered, 5168);
    }

    #[test]
    fn bytes_and_fields_are_the_same_memory() {
        let context = VcpuContext { rip: 0x0807_0605_0403_0201, ..VcpuContext::default() };
        assert_eq!(context.as_bytes()[647..=656], [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
    }
}
