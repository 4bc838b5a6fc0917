//! `xc_domain_save` (`tools/libs/guest/xg_sr_save.c`, `xg_sr_save_x86_hvm.c`, `xg_sr_save_x86_pv.c`).

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use xc::HvmParam;
use xen_types::DomId;
use xenguest_sys::{
    PrecopyStats, Progress, XGS_POLICY_ABORT, XGS_POLICY_CONTINUE_PRECOPY, XGS_POLICY_STOP_AND_COPY,
};
use xg::backend::{CallError, Saver};

use super::frames::{Frame, frames};
use super::stream::{
    BATCH, CONTEXT, CPUID_POLICY, END, HVM, HVM_CONTEXT, HVM_CPU, HVM_END, HVM_HEADER, HVM_MAGIC,
    HVM_PARAMS, MAP_ENTRIES, MSR_POLICY, NO_MEMORY, NORMAL, P2M_FRAMES, PAGE, PAGE_DATA, PV,
    PV_INFO, RDX, SHARED_INFO, STATIC_DATA_END, TSC_INFO, VCPU_BASIC, headers, record,
};
use super::{again, because, refused};
use crate::builder::{Builder, failed};
use crate::xen::SUSPEND;

type Done = Result<(), CallError>;

/// A save under way.
pub(super) struct Save<'a> {
    builder: &'a Builder,
    dom: DomId,
    to: BorrowedFd<'a>,
    callbacks: &'a mut dyn Saver,
    /// The caller does not want it to go on, and has taken the stream away.
    taken_away: bool,
    hvm: bool,
    /// The frames as they were sent last.
    sent: BTreeMap<u64, Frame>,
}

impl<'a> Save<'a> {
    pub(super) fn new(
        builder: &'a Builder,
        dom: DomId,
        to: BorrowedFd<'a>,
        callbacks: &'a mut dyn Saver,
    ) -> Self {
        let (taken_away, hvm, sent) = Default::default();
        Self { builder, dom, to, callbacks, taken_away, hvm, sent }
    }

    pub(super) fn run(mut self, live: bool) -> Done {
        let dom = self.dom;
        let info = self.builder.call("xc_domain_getinfo", |xen| Ok(xen.dom(dom)?.is_hvm()));
        self.hvm = info.map_err(because("Failed to get domain info"))?;
        let logs = self.hvm && self.callbacks.switch_qemu_logdirty(dom, true) == 0;
        let saved = match self.hvm && !logs {
            true => Err(refused("Couldn't enable qemu log-dirty mode")),
            false => self.stream(live),
        };
        // What its end comes to is not asked.
        let _ = self.builder.call("xc_shadow_control", |xen| xen.dom(dom).map(drop));
        if logs {
            self.callbacks.switch_qemu_logdirty(dom, false);
        }
        saved
    }

    fn stream(&mut self, live: bool) -> Done {
        self.say("Start of stream");
        let release = self.builder.process.machine().xen(|xen| xen.release);
        self.write(&headers(if self.hvm { HVM } else { PV }, release))?;
        // No more than that there are such.
        self.write(&record(CPUID_POLICY, &[&[0; 24]]))?;
        self.write(&record(MSR_POLICY, &[&[0; 16]]))?;
        self.write(&record(STATIC_DATA_END, &[]))?;
        if !self.hvm {
            self.shape()?;
        }
        if live {
            self.precopy()?;
        }
        self.suspend()?;
        let doing = if live { "Frames iteration" } else { "Frames" };
        let changed = self.changed()?;
        self.send(doing, changed)?;
        self.state()?;
        self.say("End of stream");
        self.write(&record(END, &[]))?;
        self.say("Complete");
        Ok(())
    }

    /// `write_x86_pv_info`, `write_x86_pv_p2m_frames`: words of 8 bytes, page tables of 4 levels, and where
    /// the map is, which is in the lowest pages.
    fn shape(&mut self) -> Done {
        self.write(&record(PV_INFO, &[&[8, 4, 0, 0, 0, 0, 0, 0]]))?;
        let dom = self.dom;
        let frames = self.builder.process.machine().xen(|xen| {
            let domain = xen.dom(dom).map_err(failed)?;
            u32::try_from(domain.p2m.len()).map_err(|_| failed(Errno::TOOBIG))
        })?;
        let Some(last) = frames.checked_sub(1) else {
            return Err(refused("it has no map of its memory"));
        };
        let map: Vec<u8> = (0..=u64::from(last) / MAP_ENTRIES).flat_map(u64::to_le_bytes).collect();
        self.write(&record(P2M_FRAMES, &[&0_u32.to_le_bytes(), &last.to_le_bytes(), &map]))
    }

    /// `send_memory_live`
    fn precopy(&mut self) -> Done {
        let hvm = self.hvm;
        // PV guests need shadow paging for it.
        let logs = |_: &mut _| if hvm { Ok(()) } else { Err(Errno::OPNOTSUPP) };
        let logged = self.builder.call("xc_shadow_control", logs);
        logged.map_err(because("Failed to enable logdirty"))?;
        let mut dirty = self.changed()?;
        let mut stats = PrecopyStats { iteration: 0, total_written: 0, dirty_count: count(&dirty) };
        loop {
            let decided = self.callbacks.precopy_policy(stats);
            if !dirty.is_empty() && decided != XGS_POLICY_ABORT {
                self.send("Frames iteration", std::mem::take(&mut dirty))?;
            }
            if decided != XGS_POLICY_CONTINUE_PRECOPY {
                return stops(decided);
            }
            stats.iteration += 1;
            stats.total_written += stats.dirty_count.unsigned_abs();
            stats.dirty_count = -1;
            let decided = self.callbacks.precopy_policy(stats);
            if decided != XGS_POLICY_CONTINUE_PRECOPY {
                return stops(decided);
            }
            dirty = self.changed()?;
            stats.dirty_count = count(&dirty);
        }
    }

    /// `suspend_domain`
    fn suspend(&mut self) -> Done {
        if self.callbacks.suspend() == 0 {
            return Err(refused("save callback suspend() failed: 0"));
        }
        let dom = self.dom;
        let code = self.builder.call("xc_domain_getinfo", |xen| Ok(xen.dom(dom)?.shutdown_code));
        if code.map_err(because("Unable to refresh domain information"))? != Some(SUSPEND) {
            return Err(refused("Domain has not been suspended"));
        }
        self.say("Domain now suspended");
        Ok(())
    }

    /// The frames that are not as they were sent.
    fn changed(&self) -> Result<BTreeMap<u64, Frame>, CallError> {
        let all = self.builder.process.machine().xen(|xen| frames(xen, self.dom));
        let mut now = all.map_err(failed)?;
        for gone in self.sent.keys() {
            now.entry(*gone).or_insert(Frame::NoMemory);
        }
        now.retain(|number, frame| self.sent.get(number) != Some(frame));
        Ok(now)
    }

    /// `send_dirty_pages`
    fn send(&mut self, doing: &str, frames: BTreeMap<u64, Frame>) -> Done {
        let total = frames.len();
        let mut batch = Vec::new();
        for (done, frame) in frames.iter().enumerate() {
            if batch.len() == BATCH {
                self.write_batch(&std::mem::take(&mut batch))?;
            }
            batch.push(frame);
            if done % BATCH == 0 {
                self.tell(doing, done, total);
            }
        }
        if !batch.is_empty() {
            self.write_batch(&batch)?;
        }
        self.tell(doing, total, total);
        self.sent.extend(frames);
        Ok(())
    }

    /// `write_batch`
    fn write_batch(&mut self, frames: &[(&u64, &Frame)]) -> Done {
        let number = u32::try_from(frames.len()).map_err(|_| failed(Errno::TOOBIG))?;
        let entry = |(number, frame): &(&u64, &Frame)| {
            let kind = if **frame == Frame::NoMemory { NO_MEMORY } else { NORMAL };
            (kind << 60 | **number).to_le_bytes()
        };
        let entries: Vec<u8> = frames.iter().flat_map(entry).collect();
        let number = number.to_le_bytes();
        let mut parts: Vec<&[u8]> = vec![&number, &[0; 4], &entries];
        parts.extend(frames.iter().filter_map(|(_, frame)| match frame {
            Frame::NoMemory => None,
            Frame::Zeros => Some(&[0; PAGE][..]),
            Frame::Bytes(bytes) => Some(bytes),
        }));
        self.write(&record(PAGE_DATA, &parts))
    }

    /// What is besides memory (`end_of_checkpoint`).
    fn state(&mut self) -> Done {
        let dom = self.dom;
        let tsc = self.builder.call("xc_domain_get_tsc_info", |xen| xen.tsc(dom));
        let (mode, elapsed, khz, incarnation) = tsc?;
        let tsc = [
            &mode.to_le_bytes()[..],
            &khz.to_le_bytes(),
            &elapsed.to_le_bytes(),
            &incarnation.to_le_bytes(),
            &[0; 4],
        ];
        self.write(&record(TSC_INFO, &tsc))?;
        if self.hvm { self.hvm_state() } else { self.pv_state() }
    }

    /// `write_shared_info`, `write_all_vcpu_information`
    fn pv_state(&mut self) -> Done {
        self.write(&record(SHARED_INFO, &[&[0; PAGE]]))?;
        let (start, vcpus) = self.vcpus()?;
        for number in vcpus {
            let mut context = vec![0; CONTEXT];
            context[RDX..RDX + 8].copy_from_slice(&start.to_le_bytes());
            let head = [number.to_le_bytes(), [0; 4]].concat();
            self.write(&record(VCPU_BASIC, &[&head, &context]))?;
        }
        Ok(())
    }

    /// `write_hvm_context`, `write_hvm_params`. Of the registers there is the page that the kernel starts from.
    fn hvm_state(&mut self) -> Done {
        let (start, vcpus) = self.vcpus()?;
        let header = [HVM_MAGIC, 1, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
        let mut context = entry(HVM_HEADER, 0, &header);
        for number in vcpus {
            let number = u16::try_from(number).map_err(|_| failed(Errno::TOOBIG))?;
            context.extend(entry(HVM_CPU, number, &start.to_le_bytes()));
        }
        context.extend(entry(HVM_END, 0, &[]));
        self.write(&record(HVM_CONTEXT, &[&context]))?;
        let mut params = Vec::new();
        for HvmParam(index) in PARAMS {
            let dom = self.dom;
            let value = self.builder.call("xc_hvm_param_get", |xen| xen.hvm_param(dom, index));
            let value = value.map_err(because("Failed to get HVMPARAM"))?;
            if value != 0 {
                params.push([u64::from(index).to_le_bytes(), value.to_le_bytes()].concat());
            }
        }
        if params.is_empty() {
            return Ok(());
        }
        let number = u32::try_from(params.len()).map_err(|_| failed(Errno::TOOBIG))?;
        self.write(&record(HVM_PARAMS, &[&number.to_le_bytes(), &[0; 4], &params.concat()]))
    }

    /// The page that its kernel started from, and the virtual CPUs that have registers.
    fn vcpus(&self) -> Result<(u64, Vec<u32>), CallError> {
        self.builder.process.machine().xen(|xen| {
            let domain = xen.dom(self.dom).map_err(failed)?;
            let start = domain.start.ok_or_else(|| refused("it was not built"))?;
            let online = (0..).zip(&domain.vcpus).filter(|(_, vcpu)| vcpu.online);
            Ok((start, online.map(|(number, _)| number).collect()))
        })
    }

    fn say(&mut self, doing: &str) {
        self.tell(doing, 0, 0);
    }

    fn tell(&mut self, doing: &str, done: usize, total: usize) {
        let goes_on =
            self.callbacks.progress(Progress { doing, done: done as u64, total: total as u64 });
        self.taken_away |= !goes_on;
    }

    fn write(&self, bytes: &[u8]) -> Done {
        let write = || match self.taken_away {
            true => Err(failed(Errno::BADF)),
            false => write_all(self.to, bytes).map_err(failed),
        };
        let written = self.builder.process.pass_in_time("write", failed, write);
        written.map_err(because("Unable to write record to stream"))
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = again(|| rustix::io::write(to, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// An entry of an HVM context.
fn entry(code: u16, instance: u16, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).expect("an entry is short");
    let head = [&code.to_le_bytes()[..], &instance.to_le_bytes(), &length.to_le_bytes()];
    [&head.concat()[..], contents].concat()
}

fn count(frames: &BTreeMap<u64, Frame>) -> i64 {
    i64::try_from(frames.len()).unwrap_or(i64::MAX)
}

/// What a policy other than to go on leads to.
fn stops(decided: i32) -> Done {
    match decided {
        XGS_POLICY_STOP_AND_COPY => Ok(()),
        _ => Err(refused("Abort precopy loop")),
    }
}

/// Those that are saved, if they are not 0.
const PARAMS: [HvmParam; 13] = [
    HvmParam::STORE_PFN,
    HvmParam::IOREQ_PFN,
    HvmParam::BUFIOREQ_PFN,
    HvmParam::PAGING_RING_PFN,
    HvmParam::MONITOR_RING_PFN,
    HvmParam::SHARING_RING_PFN,
    HvmParam::CONSOLE_PFN,
    HvmParam::ACPI_IOPORTS_LOCATION,
    HvmParam::VIRIDIAN,
    HvmParam::IDENT_PT,
    HvmParam::VM_GENERATION_ID_ADDR,
    HvmParam::IOREQ_SERVER_PFN,
    HvmParam::NR_IOREQ_SERVER_PAGES,
];
