//! The bodies of libxc's records, each of a length that was found possible.
//!
//! With each body comes whether fields are set that the format reserves: they must be zero when
//! written and be ignored when read.

use std::time::Duration;

use xc::{HvmParam, TscInfo, TscMode};
use xen_types::Gfn;

use super::error::{LengthRule, Reason};
use super::fields::Fields;
use super::libxc::PAGE;
use super::record::{Body, HvmEntry};
use crate::backend::XEN_CPUID_NO_SUBLEAF;
use crate::{CpuidLeaf, Msr};

type Parsed = Result<(Body, bool), Reason>;

pub(super) fn pv_info(bytes: &[u8]) -> Parsed {
    let mut fields = Fields::new(bytes);
    let [width, levels] = fields.array()?;
    let reserved = fields.array::<6>()? != [0; 6];
    match (width, levels) {
        (4, 3) | (8, 4) => Ok((Body::PvInfo { width, levels }, reserved)),
        _ => Err(Reason::PvShape { width, levels }),
    }
}

pub(super) fn p2m_frames(bytes: &[u8], width: u8) -> Parsed {
    let mut fields = Fields::new(bytes);
    let (first, last) = (fields.u32()?, fields.u32()?);
    if first > last {
        return Err(Reason::EmptyRange { first, last });
    }
    let entries = entries_per_frame(width);
    let frames = u64::from(last) / entries - u64::from(first) / entries + 1;
    LengthRule::Exactly.check(bytes.len() as u64, 8 + 8 * frames)?;
    let (numbers, _) = fields.rest().as_chunks();
    let frames = numbers.iter().map(|number| Gfn(u64::from_le_bytes(*number))).collect();
    Ok((Body::P2mFrames { first, last, frames }, false))
}

/// How many pages' places one frame of the map tells.
pub(super) fn entries_per_frame(width: u8) -> u64 {
    PAGE / u64::from(width)
}

pub(super) fn vcpu(bytes: &[u8]) -> Parsed {
    let mut fields = Fields::new(bytes);
    let (vcpu, reserved) = (fields.u32()?, fields.u32()?);
    if vcpu >= MAX_VCPUS {
        return Err(Reason::Vcpu(vcpu));
    }
    Ok((Body::Vcpu { vcpu, context: fields.rest().to_vec() }, reserved != 0))
}

pub(super) fn tsc_info(bytes: &[u8]) -> Parsed {
    let mut fields = Fields::new(bytes);
    let (mode, khz) = (TscMode::from(fields.u32()?), fields.u32()?);
    let elapsed = Duration::from_nanos(fields.u64()?);
    let (incarnation, reserved) = (fields.u32()?, fields.u32()?);
    Ok((Body::TscInfo(TscInfo { mode, elapsed, khz, incarnation }), reserved != 0))
}

/// A chain of entries from a header to an end (`hvm_load`, `xen/arch/x86/hvm/save.c`), each with a
/// type, an instance and a length. What comes after the end is not looked at, as there.
pub(super) fn hvm_context(bytes: &[u8]) -> Parsed {
    let mut entries = Vec::new();
    let mut left = bytes;
    loop {
        let mut fields = Fields::new(left);
        let (Ok(code), Ok(instance), Ok(length)) = (fields.u16(), fields.u16(), fields.u32())
        else {
            return Err(Reason::HvmContext("it does not end with an end entry"));
        };
        if code == HVM_END && !entries.is_empty() {
            return Ok((Body::HvmContext { entries, context: bytes.to_vec() }, false));
        }
        let Some(contents) = fields.rest().get(..length as usize) else {
            return Err(Reason::HvmContext("an entry is longer than what is left"));
        };
        if entries.is_empty() {
            hvm_header(code, contents)?;
        }
        entries.push(HvmEntry { code, instance, length });
        left = &fields.rest()[contents.len()..];
    }
}

/// `struct hvm_save_header`, and what `arch_hvm_load` wants of it.
fn hvm_header(code: u16, contents: &[u8]) -> Result<(), Reason> {
    if code != HVM_HEADER || contents.len() != 24 {
        return Err(Reason::HvmContext("it does not begin with a header"));
    }
    let mut fields = Fields::new(contents);
    if fields.u32()? != HVM_MAGIC {
        return Err(Reason::HvmContext("its magic number is wrong"));
    }
    match fields.u32()? {
        1 => Ok(()),
        _ => Err(Reason::HvmContext("its version is not 1")),
    }
}

pub(super) fn hvm_params(bytes: &[u8]) -> Parsed {
    let mut fields = Fields::new(bytes);
    let (count, reserved) = (fields.u32()?, fields.u32()?);
    LengthRule::Exactly.check(bytes.len() as u64, 8 + 16 * u64::from(count))?;
    let (entries, _) = fields.rest().as_chunks::<16>();
    let entry = |entry: &[u8; 16]| {
        let mut fields = Fields::new(entry);
        // libxc would cut the number to 32 bits and set another parameter.
        let index = fields.u64()?;
        let param = u32::try_from(index).map_err(|_| Reason::HvmParam(index))?;
        Ok((HvmParam(param), fields.u64()?))
    };
    let params = entries.iter().map(entry).collect::<Result<_, Reason>>()?;
    Ok((Body::HvmParams(params), reserved != 0))
}

pub(super) fn cpuid_policy(bytes: &[u8]) -> Parsed {
    let (leaves, _) = bytes.as_chunks::<24>();
    let leaf = |leaf: &[u8; 24]| {
        let mut fields = Fields::new(leaf);
        let (leaf, subleaf) = (fields.u32()?, fields.u32()?);
        let subleaf = (subleaf != XEN_CPUID_NO_SUBLEAF).then_some(subleaf);
        let (eax, ebx) = (fields.u32()?, fields.u32()?);
        Ok(CpuidLeaf { leaf, subleaf, eax, ebx, ecx: fields.u32()?, edx: fields.u32()? })
    };
    let leaves = leaves.iter().map(leaf).collect::<Result<_, Reason>>()?;
    Ok((Body::CpuidPolicy(leaves), false))
}

pub(super) fn msr_policy(bytes: &[u8]) -> Parsed {
    let (entries, _) = bytes.as_chunks::<16>();
    let entry = |entry: &[u8; 16]| {
        let mut fields = Fields::new(entry);
        let (index, flags, value) = (fields.u32()?, fields.u32()?, fields.u64()?);
        // x86_msr_copy_from_buffer, xen/lib/x86/msr.c
        if flags != 0 {
            return Err(Reason::MsrFlags { index, flags });
        }
        Ok(Msr { index, value })
    };
    Ok((Body::MsrPolicy(entries.iter().map(entry).collect::<Result<_, Reason>>()?), false))
}

/// `MAX_VIRT_CPUS`, `xen/arch/x86/include/asm/config.h`.
const MAX_VCPUS: u32 = 8192;
/// `HVM_FILE_MAGIC`, `xen/include/public/arch-x86/hvm/save.h`, and the first type codes.
const HVM_MAGIC: u32 = 0x5438_1286;
const HVM_END: u16 = 0;
const HVM_HEADER: u16 = 1;
