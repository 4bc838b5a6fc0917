//! The pages that the registers of a PV guest's virtual CPU name.
//!
//! At the end of a restore libxc turns their numbers into machine frames (`process_vcpu_basic`,
//! `tools/libs/guest/xg_sr_restore_x86_pv.c`), and fails if one is beyond the guest's map.

use super::error::Reason;
use super::fields::Fields;

/// Where `vcpu_guest_context_t` has what matters here (`xen/include/public/arch-x86/xen.h`).
struct Layout {
    /// EDX: in a saved first virtual CPU, the start-info page.
    edx: usize,
    gdt_frames: usize,
    gdt_entries: usize,
    cr3: usize,
    /// The page table of user space, with bit 0 set if there is one; 64-bit guests alone have it.
    cr1: Option<usize>,
}

/// The highest page number in the registers of virtual CPU `vcpu`, whose words have `width` bytes.
pub(super) fn highest_page(context: &[u8], width: u8, vcpu: u32) -> Result<u64, Reason> {
    let layout = if width == 8 { &LAYOUT_64 } else { &LAYOUT_32 };
    let word = |at: usize| {
        let mut fields = Fields::new(context.get(at..).unwrap_or_default());
        if width == 8 { fields.u64() } else { fields.u32().map(u64::from) }
    };
    let entries = word(layout.gdt_entries)?;
    if entries > MAX_GDT_ENTRIES {
        return Err(Reason::GdtEntries(entries));
    }
    let mut highest = match width {
        8 => word(layout.cr3)? >> 12,
        _ => turned(word(layout.cr3)?),
    };
    if vcpu == 0 {
        highest = highest.max(word(layout.edx)?);
    }
    if let Some(cr1) = layout.cr1 {
        let value = word(cr1)?;
        if value & 1 == 1 {
            highest = highest.max(value >> 12);
        }
    }
    for frame in 0..entries.div_ceil(512) {
        // At most 14, so it fits.
        let at = layout.gdt_frames + frame as usize * usize::from(width);
        highest = highest.max(word(at)?);
    }
    Ok(highest)
}

/// `xen_cr3_to_pfn`, `xen/include/public/arch-x86/xen-x86_32.h`: 32 bits name pages beyond 4 GiB
/// too.
fn turned(cr3: u64) -> u64 {
    (cr3 >> 12) | ((cr3 & 0xfff) << 20)
}

const LAYOUT_64: Layout =
    Layout { edx: 616, gdt_frames: 4832, gdt_entries: 4960, cr3: 5008, cr1: Some(4992) };
const LAYOUT_32: Layout =
    Layout { edx: 524, gdt_frames: 2640, gdt_entries: 2704, cr3: 2728, cr1: None };

/// `FIRST_RESERVED_GDT_ENTRY`, `xen/include/public/arch-x86/xen.h`.
const MAX_GDT_ENTRIES: u64 = 14 * 512;
