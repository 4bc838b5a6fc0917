//! `xc_domain_restore` (`tools/libs/guest/xg_sr_restore.c`, `xg_sr_restore_x86_hvm.c`,
//! `xg_sr_restore_x86_pv.c`).

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use xc::HvmParam;
use xen_types::DomId;
use xenguest_sys::{XGR_SDD_MISSING_CPUID, XGR_SDD_MISSING_MSR};
use xg::backend::{CallError, Ends, Restorer};

use super::stream::{
    ALLOCATE, BROKEN, CONTEXT, CPUID_POLICY, END, FRAME_MASK, HEADER, HEADERS, HVM, HVM_CONTEXT,
    HVM_CPU, HVM_END, HVM_HEADER, HVM_MAGIC, HVM_PARAMS, LONGEST, MAGIC, MSR_POLICY, NO_MEMORY,
    OPTIONAL, P2M_FRAMES, PAGE, PAGE_DATA, PV, PV_INFO, RDX, SHARED_INFO, STATIC_DATA_END,
    TSC_INFO, VCPU_BASIC, u32_at, u64_at,
};
use super::{again, because, refused};
use crate::builder::{Builder, failed, start};
use crate::guest::Boot;
use crate::xen::{Outcome, Xen};

type Done = Result<(), CallError>;

/// A restore under way.
pub(super) struct Restore<'a> {
    builder: &'a Builder,
    dom: DomId,
    from: BorrowedFd<'a>,
    ends: Ends,
    hvm: bool,
    static_data_ended: bool,
    missing: u32,
    /// The frames that have memory: those that Xen knows their pages by.
    populated: BTreeMap<u64, u64>,
    /// The last number that a PV guest has.
    last: Option<u64>,
    /// The virtual CPUs that have registers.
    vcpus: Vec<u32>,
    /// The page that the kernel started from.
    start: Option<u64>,
    /// The rings to store and console, by the guest's own numbers.
    rings: (u64, u64),
}

impl<'a> Restore<'a> {
    pub(super) fn new(builder: &'a Builder, dom: DomId, from: BorrowedFd<'a>, ends: Ends) -> Self {
        Self {
            builder,
            dom,
            from,
            ends,
            hvm: false,
            static_data_ended: false,
            missing: XGR_SDD_MISSING_CPUID | XGR_SDD_MISSING_MSR,
            populated: BTreeMap::new(),
            last: None,
            vcpus: Vec::new(),
            start: None,
            rings: (0, 0),
        }
    }

    /// The frames of the rings.
    pub(super) fn run(mut self, callbacks: &mut dyn Restorer) -> Result<(u64, u64), CallError> {
        let dom = self.dom;
        let info = self.builder.call("xc_domain_getinfo", |xen| Ok(xen.dom(dom)?.is_hvm()));
        self.hvm = info.map_err(because("Failed to get dominfo"))?;
        self.headers()?;
        loop {
            let head = self.read(HEADER, "Failed to read Record Header from stream")?;
            let (kind, length) = (u32_at(&head, 0), u32_at(&head, 4));
            if length > LONGEST {
                return Err(refused("Record length exceeds max"));
            }
            let length = length as usize;
            let padded = length.next_multiple_of(8);
            let mut body = self.read(padded, "Failed to read data for record")?;
            body.truncate(length);
            match kind {
                END => return self.complete(),
                STATIC_DATA_END => self.end_static_data(callbacks)?,
                _ => self.record(kind, &body)?,
            }
        }
    }

    /// `read_headers`, and what `setup` wants of them.
    fn headers(&self) -> Done {
        let head = self.read(HEADERS, "Failed to read Image Header from stream")?;
        let marked = u64_at(&head, 0) == u64::MAX;
        let big = |at| u32_at(&head, at).swap_bytes();
        let wanted = if self.hvm { HVM } else { PV };
        match () {
            () if !marked => Err(refused("Invalid marker")),
            () if big(8) != MAGIC => Err(refused("Invalid ID")),
            // Older ones have no record at the end of the static data; none is written here.
            () if big(12) != 3 => Err(refused("Invalid Version")),
            () if head[17] & 1 != 0 => Err(refused("Unable to handle big endian streams")),
            () if u32_at(&head, 24) != wanted => {
                Err(refused("Unable to restore a domain of one kind into one of another"))
            }
            () if head[28] != 12 => Err(refused("Invalid page size")),
            () => Ok(()),
        }
    }

    /// `handle_static_data_end`
    fn end_static_data(&mut self, callbacks: &mut dyn Restorer) -> Done {
        if std::mem::replace(&mut self.static_data_ended, true) {
            return Err(refused("Multiple STATIC_DATA_END records found"));
        }
        match callbacks.static_data_done(self.missing) {
            0 => Ok(()),
            _ => Err(refused("static_data_done() callback failed")),
        }
    }

    fn record(&mut self, kind: u32, body: &[u8]) -> Done {
        match (kind, self.hvm) {
            (CPUID_POLICY, _) => {
                self.missing &= !XGR_SDD_MISSING_CPUID;
                whole(body, body.len().is_multiple_of(24), "X86_CPUID_POLICY")
            }
            (MSR_POLICY, _) => {
                self.missing &= !XGR_SDD_MISSING_MSR;
                whole(body, body.len().is_multiple_of(16), "X86_MSR_POLICY")
            }
            (PAGE_DATA, _) => self.pages(body),
            (TSC_INFO, _) => self.tsc(body),
            (HVM_CONTEXT, true) => self.hvm_context(body),
            (HVM_PARAMS, true) => self.hvm_params(body),
            (PV_INFO, false) => whole(body, body.len() >= 8 && body[..2] == [8, 4], "X86_PV_INFO"),
            (P2M_FRAMES, false) => self.map(body),
            (SHARED_INFO, false) => whole(body, body.len() == PAGE, "SHARED_INFO"),
            (VCPU_BASIC, false) => self.vcpu(body),
            _ if kind & OPTIONAL != 0 => Ok(()),
            _ => Err(refused("Mandatory record not handled")),
        }
    }

    /// `handle_x86_pv_p2m_frames`: how much the guest can have, and memory for the map.
    fn map(&mut self, body: &[u8]) -> Done {
        whole(body, body.len() > 8 && body.len().is_multiple_of(8), "X86_PV_P2M_FRAMES")?;
        let last = u64::from(u32_at(body, 4));
        self.last = self.last.max(Some(last));
        let frames: Vec<u64> = (8..body.len()).step_by(8).map(|at| u64_at(body, at)).collect();
        if frames.iter().any(|frame| *frame > last) {
            return Err(refused("p2m frame outside domain maximum"));
        }
        self.populate(&frames)
    }

    /// `handle_page_data`
    fn pages(&mut self, body: &[u8]) -> Done {
        if !self.static_data_ended {
            return Err(refused("No STATIC_DATA_END seen"));
        }
        whole(body, body.len() >= 8 && u32_at(body, 0) > 0, "PAGE_DATA")?;
        let number = u32_at(body, 0) as usize;
        let first = 8 + 8 * number;
        whole(body, body.len() >= first, "PAGE_DATA")?;
        let (mut wanted, mut full) = (Vec::new(), Vec::new());
        for at in (8..first).step_by(8) {
            let entry = u64_at(body, at);
            let (frame, kind) = (entry & FRAME_MASK, entry >> 60);
            if !self.hvm && self.last.is_none_or(|last| frame > last) {
                return Err(refused("pfn outside domain maximum"));
            }
            if matches!(kind, 5..=8) {
                return Err(refused("Unknown type for pfn"));
            }
            if !matches!(kind, NO_MEMORY | BROKEN) {
                wanted.push(frame);
            }
            if kind < ALLOCATE {
                full.push(frame);
            }
        }
        whole(body, body.len() == first + PAGE * full.len(), "PAGE_DATA")?;
        self.populate(&wanted)?;
        self.builder.process.machine().xen(|xen| {
            for (frame, bytes) in full.iter().zip(body[first..].chunks(PAGE)) {
                let known = self.populated.get(frame).copied();
                fill(xen, self.dom, known, bytes).map_err(failed)?;
            }
            Ok(())
        })
    }

    /// `populate_pfns`
    fn populate(&mut self, frames: &[u64]) -> Done {
        let new: Vec<u64> =
            frames.iter().copied().filter(|f| !self.populated.contains_key(f)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let (dom, mut known) = (self.dom, new.clone());
        let done = self.builder.call("xc_domain_populate_physmap_exact", |xen| {
            match xen.populate(dom, 0, 0, &mut known) == new.len() {
                true => Ok(()),
                // tools/libs/ctrl/xc_domain.c
                false => Err(Errno::BUSY),
            }
        });
        done.map_err(because("Failed to populate physmap"))?;
        self.populated.extend(new.into_iter().zip(known));
        Ok(())
    }

    fn tsc(&self, body: &[u8]) -> Done {
        whole(body, body.len() == 24, "X86_TSC_INFO")?;
        let (mode, khz, elapsed) = (u32_at(body, 0), u32_at(body, 4), u64_at(body, 8));
        let (dom, incarnation) = (self.dom, u32_at(body, 16));
        let set = |xen: &mut Xen| xen.set_tsc(dom, mode, elapsed, (khz, incarnation));
        let set = self.builder.call("xc_domain_set_tsc_info", set);
        set.map_err(because("Failed to set TSC information"))
    }

    /// `handle_x86_pv_vcpu_blob`
    fn vcpu(&mut self, body: &[u8]) -> Done {
        whole(body, body.len() == 8 + CONTEXT, "X86_PV_VCPU_BASIC")?;
        let number = u32_at(body, 0);
        self.vcpus.push(number);
        if number == 0 {
            self.start = Some(u64_at(body, 8 + RDX));
        }
        Ok(())
    }

    /// What Xen looks at when it loads it (`hvm_load`, `xen/arch/x86/hvm/save.c`).
    fn hvm_context(&mut self, body: &[u8]) -> Done {
        let (mut left, mut first) = (body, true);
        loop {
            let whole = |is| whole(body, is, "HVM_CONTEXT");
            whole(left.len() >= 8)?;
            let (head, length) = (u32_at(left, 0), u32_at(left, 4) as usize);
            let (code, instance) = (head.to_le_bytes(), head >> 16);
            let code = u16::from_le_bytes([code[0], code[1]]);
            if code == HVM_END && !first {
                return Ok(());
            }
            whole(left.len() - 8 >= length && (!first || code == HVM_HEADER))?;
            let contents = &left[8..8 + length];
            match code {
                HVM_HEADER => whole(length == 24 && u32_at(contents, 0) == HVM_MAGIC)?,
                HVM_CPU => {
                    whole(length == 8)?;
                    self.vcpus.push(instance);
                    self.start = Some(u64_at(contents, 0));
                }
                _ => {}
            }
            (left, first) = (&left[8 + length..], false);
        }
    }

    /// `handle_hvm_params`
    fn hvm_params(&mut self, body: &[u8]) -> Done {
        whole(body, body.len() >= 8, "HVM_PARAMS")?;
        whole(body, body.len() == 8 + 16 * u32_at(body, 0) as usize, "HVM_PARAMS")?;
        let dom = self.dom;
        for at in (8..body.len()).step_by(16) {
            let (index, value) = (u32_at(body, at), u64_at(body, at + 8));
            match HvmParam(index) {
                HvmParam::STORE_PFN => self.rings.0 = value,
                HvmParam::CONSOLE_PFN => self.rings.1 = value,
                _ => {}
            }
            self.set_param(HvmParam(index), value)?;
        }
        // Both rings are empty at first.
        self.builder.process.machine().xen(|xen| {
            for ring in [self.rings.0, self.rings.1] {
                let known = self.populated.get(&ring).copied();
                fill(xen, dom, known, &[0; PAGE]).map_err(failed)?;
            }
            Ok(())
        })
    }

    fn set_param(&self, HvmParam(index): HvmParam, value: u64) -> Done {
        let dom = self.dom;
        let set = |xen: &mut Xen| xen.set_hvm_param(dom, index, value);
        self.builder.call("xc_hvm_param_set", set).map_err(because("set HVM param"))
    }

    /// `stream_complete`: the kernel is ready to go on.
    fn complete(self) -> Result<(u64, u64), CallError> {
        if self.hvm {
            self.set_param(HvmParam::STORE_EVTCHN, self.ends.store.0.into())?;
            self.set_param(HvmParam::CONSOLE_EVTCHN, self.ends.console.0.into())?;
        }
        let call = if self.hvm { "xc_domain_hvm_setcontext" } else { "xc_vcpu_setcontext" };
        let rings = self.builder.call(call, |xen| self.set_up(xen));
        let rings = rings.map_err(because("Unable to restore the registers"))?;
        let dom = self.dom;
        let seeded = self.builder.call("xc_dom_gnttab_seed", |xen| xen.dom(dom).map(drop));
        seeded.map_err(because("Failed to seed grant table"))?;
        Ok(rings)
    }

    fn set_up(&self, xen: &mut Xen) -> Outcome<(u64, u64)> {
        let domain = xen.dom(self.dom)?;
        for number in &self.vcpus {
            let number = usize::try_from(*number).map_err(|_| Errno::INVAL)?;
            domain.vcpus.get_mut(number).ok_or(Errno::INVAL)?.online = true;
        }
        let frames = 0..self.last.map_or(0, |last| last + 1);
        domain.p2m = frames.map(|frame| self.populated.get(&frame).copied()).collect();
        domain.start = self.start;
        let known = |frame: u64| self.populated.get(&frame).copied().ok_or(Errno::INVAL);
        let page = page_of(xen, self.dom, known(self.start.ok_or(Errno::INVAL)?)?)?;
        let mut start = vec![0; PAGE];
        xen.content(page).read(0, &mut start);
        // A PV guest's are in its start info, by its own numbers (`process_start_info`).
        let (store, console) = match self.hvm {
            true => self.rings,
            false => (known(u64_at(&start, start::STORE))?, known(u64_at(&start, start::CONSOLE))?),
        };
        let ring = page_of(xen, self.dom, store)?;
        let line = start[start::COMMAND_LINE..].split(|byte| *byte == 0).next();
        let command_line = line.unwrap_or_default().to_vec();
        let port = self.ends.store;
        xen.dom(self.dom)?.boot = Some(Boot { command_line, ring, port, restored: true });
        Ok((store, console))
    }

    /// So many bytes, which are there or not (`read_exact`, `tools/libs/ctrl/xc_private.c`).
    fn read(&self, length: usize, why: &'static str) -> Result<Vec<u8>, CallError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let read = || {
            let mut bytes = vec![0; length];
            let mut got = 0;
            while got < length {
                match again(|| rustix::io::read(self.from, &mut bytes[got..])) {
                    Ok(0) => return Err(refused(why)),
                    Ok(more) => got += more,
                    Err(errno) => return Err(failed(errno)),
                }
            }
            Ok(bytes)
        };
        self.builder.process.pass_in_time("read", failed, read).map_err(because(why))
    }
}

/// The machine frame of a page by what Xen knows it by.
fn page_of(xen: &mut Xen, dom: DomId, known: u64) -> Outcome<u64> {
    let domain = xen.dom(dom)?;
    match domain.is_hvm() {
        true => domain.memory.physmap.page(known).ok_or(Errno::INVAL),
        false => Ok(known),
    }
}

/// Writes a page of a domain; zeros are what it has.
fn fill(xen: &mut Xen, dom: DomId, known: Option<u64>, bytes: &[u8]) -> Outcome<()> {
    let page = page_of(xen, dom, known.ok_or(Errno::INVAL)?)?;
    if xen.content_if_any(page).is_some() || bytes.iter().any(|byte| *byte != 0) {
        xen.content(page).write(0, bytes);
    }
    Ok(())
}

fn whole(body: &[u8], is: bool, what: &str) -> Done {
    match is {
        true => Ok(()),
        false => Err(refused(&format!("{what} record of {} bytes cannot be", body.len()))),
    }
}
