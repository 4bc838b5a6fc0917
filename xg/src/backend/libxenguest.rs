//! The calls themselves, and the only `unsafe` of this crate.

#![allow(unsafe_code, reason = "calls a C library")]

mod dump;
mod policy;
mod resume;

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rustix::io::Errno;
use xc::{E820Entry, Release};
use xen_types::{DomId, Gfn, Mfn, PageCount, Port};
use xenguest_sys::{ImageField, Interface, Library, xc_dom_image, xc_interface};

use super::outcome::{check, failed, listen};
use super::{Backend, CallError, Container, Hypervisor, Image};

/// The libxenguest of the running Xen.
///
/// A handle is opened for each image and for each call without one: libxc formats every error into a
/// buffer of the handle without a lock (`xc_reportv`, `tools/libs/ctrl/xc_private.c`, 4.15 to 4.22)
/// and logs it from there, so that two builds on one handle would tell each other's errors.
#[derive(Debug)]
pub struct LibXenGuest {
    library: Arc<Library>,
}

/// libxenguest could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It, or the libxenctrl below it, could not be loaded.
    #[error(transparent)]
    Load(#[from] xenguest_sys::LoadError),
    /// The hypervisor could not be opened.
    #[error(transparent)]
    Open(#[from] xenguest_sys::OpenError),
}

impl OpenError {
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open(xenguest_sys::OpenError::Os(e)) => Errno::from_io_error(e),
            _ => None,
        }
    }
}

impl LibXenGuest {
    /// Loads libxenguest of `release` from where the system has it.
    ///
    /// # Errors
    /// If it cannot be had, or no handle with it.
    pub fn open(release: Release) -> Result<Self, OpenError> {
        Self::with_library(Library::load(release)?)
    }

    /// Loads the libxenguest beside `ctrl`.
    ///
    /// # Errors
    /// If it cannot be had, or no handle with it.
    pub fn beside(ctrl: Arc<xenguest_sys::CtrlLibrary>) -> Result<Self, OpenError> {
        Self::with_library(Library::beside(ctrl)?)
    }

    fn with_library(library: Library) -> Result<Self, OpenError> {
        let library = Arc::new(library);
        Interface::open(Arc::clone(&library))?; // a missing privilege shows now, not in a build
        tracing::debug!(library = %library.path().display(), "opened the domain builder");
        Ok(Self { library })
    }

    /// A call, if this release has it.
    fn function<F>(&self, call: &'static str, function: Option<F>) -> Result<F, CallError> {
        self::function(&self.library, call, function)
    }

    /// A handle of the caller's own.
    fn interface(&self) -> Result<Interface, CallError> {
        match listen(|| Interface::open(Arc::clone(&self.library))) {
            (Ok(interface), _) => Ok(interface),
            (Err(xenguest_sys::OpenError::Missing(call)), _) => {
                Err(CallError::Unsupported { call, xen: self.release() })
            }
            (Err(_), reason) => Err(failed(0, reason)),
        }
    }
}

impl Hypervisor for LibXenGuest {
    fn release(&self) -> Release {
        self.library.ctrl().release()
    }
}

impl Backend for LibXenGuest {
    fn allocate<'a>(
        &'a self,
        cmdline: &CStr,
        features: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError> {
        let functions = self.library.functions();
        let allocate = self.function("xc_dom_allocate", functions.dom_allocate)?;
        let release = self.function("xc_dom_release", functions.dom_release)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let features = features.map_or(ptr::null(), CStr::as_ptr);
        let (image, reason) = listen(|| {
            // SAFETY: the handle must stay open as long as the image, which keeps it, and the
            // strings be terminated or null (xenguest.h): the image below owns the handle and is
            // released first; CStr is terminated, and both strings are copied.
            unsafe { allocate(handle, cmdline.as_ptr(), features) }
        });
        let image = NonNull::new(image).ok_or_else(|| failed(0, reason))?;
        let image = LibImage {
            backend: self,
            image,
            release,
            payloads: Vec::new(),
            acpi: Vec::new(),
            e820: Vec::new(),
            interface,
        };
        image.check_layout()?;
        Ok(Box::new(image))
    }

    fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let function = self.library.ctrl().functions().memory.domain_set_memory_map;
        let set = self.function("xc_domain_set_memory_map", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let mut raw = to_raw(map);
        // Xen itself takes 1024 (`E820MAX`, xen/arch/x86/include/asm/e820.h, 4.17 and 4.20).
        let too_many = |_| CallError::Failed { errno: Some(Errno::TOOBIG), said: Vec::new() };
        let entries = u32::try_from(raw.len()).map_err(too_many)?;
        check(|| {
            // SAFETY: the handle must be open and the array hold `entries` entries (xenctrl.h):
            // `interface` holds it open until the end of this function, the array has that many.
            unsafe { set(handle, dom.into(), raw.as_mut_ptr().cast(), entries) }
        })
    }

    fn cpuid_apply_policy(
        &self,
        dom: DomId,
        itsc: bool,
        nested_virt: bool,
    ) -> Result<(), CallError> {
        let function = self.library.functions().cpuid_apply_policy;
        let apply = self.function("xc_cpuid_apply_policy", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let (restore, pae) = (false, true);
        let none = ptr::null();
        check(|| {
            // SAFETY: the handle must be open and the arrays of the announced length or null
            // (xenguest.h): `interface` holds it open until the end of this function, all arrays
            // are null and of length 0.
            // Releases before 4.15.5, 4.16.5 and 4.17.2 do not declare the last argument; see the
            // declaration for why they may be given it.
            unsafe {
                apply(
                    handle,
                    dom.into(),
                    restore,
                    ptr::null(),
                    0,
                    pae,
                    itsc,
                    nested_virt,
                    none,
                    none,
                )
            }
        })
    }
}

/// An image of libxenguest, with everything that it points to.
#[derive(Debug)]
struct LibImage<'a> {
    backend: &'a LibXenGuest,
    image: NonNull<xc_dom_image>,
    release: unsafe extern "C" fn(*mut xc_dom_image),
    /// Kernel and modules, which the image points to until it is released.
    payloads: Vec<Arc<Vec<u8>>>,
    /// The ACPI tables and the memory map, likewise.
    acpi: Vec<u8>,
    e820: Vec<xenguest_sys::E820Entry>,
    /// The handle that the image works with, nobody else's; closed when the image is released.
    interface: Interface,
}

type Step = unsafe extern "C" fn(*mut xc_dom_image) -> c_int;

impl LibImage<'_> {
    fn functions(&self) -> xenguest_sys::Functions {
        *self.backend.library.functions()
    }

    /// A call, if this release has it and this process may make it.
    fn call<F>(&self, call: &'static str, function: Option<F>) -> Result<F, CallError> {
        handle(&self.interface)?;
        self.backend.function(call, function)
    }

    /// Whether the new image looks as this layout has it.
    fn check_layout(&self) -> Result<(), CallError> {
        let library = &self.backend.library;
        // SAFETY: must be new and no smaller than the layout: `allocate` has just made it, and a
        // library whose soname names a measured release makes it of the size measured.
        match unsafe { library.layout().mismatch(self.image.as_ptr()) } {
            None => Ok(()),
            Some((field, found)) => Err(CallError::Layout {
                library: library.path().to_owned(),
                xen: self.backend.release(),
                field,
                found,
            }),
        }
    }

    fn step(&mut self, call: &'static str, function: Option<Step>) -> Result<(), CallError> {
        let step = self.call(call, function)?;
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live and used by nobody else, and what it points to must
            // live (xenguest.h): `self` owns it, is borrowed uniquely, and holds its payloads and
            // its handle.
            unsafe { step(image) }
        })
    }

    fn write(&mut self, field: ImageField, value: u64) {
        let layout = *self.backend.library.layout();
        // SAFETY: the image must be live, of the layout's release and not used meanwhile, and the
        // value meaningful: `self` owns an image of the library whose layout this is and is
        // borrowed uniquely; each caller says what the value is.
        let written = unsafe { layout.write(self.image.as_ptr(), field, value) };
        // Each caller's argument has a type no wider than its field.
        assert!(written, "{field:?} is too narrow for {value:#x}");
    }

    fn read(&self, field: ImageField) -> u64 {
        // SAFETY: the image must be live and of the layout's release: `self` owns it, and
        // `check_layout` found it to be.
        unsafe { self.backend.library.layout().read(self.image.as_ptr(), field) }
    }
}

impl Drop for LibImage<'_> {
    fn drop(&mut self) {
        if handle(&self.interface).is_err() {
            return; // in a forked child: the parent's mappings are the parent's to undo
        }
        // SAFETY: must be live and never used again: `self` owned it and ends here; payloads, map
        // and handle are fields and dropped afterwards.
        unsafe { (self.release)(self.image.as_ptr()) };
    }
}

impl Image for LibImage<'_> {
    fn set_container_type(&mut self, container: Container) {
        self.write(
            ImageField::ContainerType,
            match container {
                Container::Pv => 0,
                Container::Hvm => 1,
            },
        );
    }

    fn set_flags(&mut self, flags: u64) {
        self.write(ImageField::Flags, flags);
    }

    fn set_console(&mut self, port: Port, domain: DomId) {
        self.write(ImageField::ConsoleEvtchn, port.0.into());
        self.write(ImageField::ConsoleDomid, domain.raw().into());
    }

    fn set_xenstore(&mut self, port: Port, domain: DomId) {
        self.write(ImageField::XenstoreEvtchn, port.0.into());
        self.write(ImageField::XenstoreDomid, domain.raw().into());
    }

    fn set_claim_enabled(&mut self, claim: bool) {
        self.write(ImageField::ClaimEnabled, claim.into());
    }

    fn set_max_vcpus(&mut self, vcpus: u32) {
        self.write(ImageField::MaxVcpus, vcpus.into());
    }

    fn set_target_pages(&mut self, pages: PageCount) {
        self.write(ImageField::TargetPages, pages.get());
    }

    fn set_mmio(&mut self, start: u64, size: u64) {
        self.write(ImageField::MmioStart, start);
        self.write(ImageField::MmioSize, size);
    }

    fn set_lowmem_end(&mut self, end: u64) {
        self.write(ImageField::LowmemEnd, end);
    }

    fn set_highmem_end(&mut self, end: u64) {
        self.write(ImageField::HighmemEnd, end);
    }

    fn set_vga_hole_size(&mut self, pages: PageCount) {
        self.write(ImageField::VgaHoleSize, pages.get());
    }

    fn set_device_model(&mut self, device_model: bool) {
        self.write(ImageField::DeviceModel, device_model.into());
    }

    fn set_acpi_module(&mut self, module: Vec<u8>, address: u64) {
        self.acpi = module;
        let size = self.acpi.len();
        self.write(ImageField::AcpiModule0Data, self.acpi.as_ptr().expose_provenance() as u64);
        self.write(ImageField::AcpiModule0Length, size as u64);
        self.write(ImageField::AcpiModule0GuestAddrOut, address);
    }

    fn set_e820(&mut self, map: &[E820Entry]) {
        self.e820 = to_raw(map);
        let entries = self.e820.len();
        self.write(ImageField::E820, self.e820.as_ptr().expose_provenance() as u64);
        self.write(ImageField::E820Entries, entries as u64);
    }

    fn kernel_mem(&mut self, kernel: Arc<Vec<u8>>) -> Result<(), CallError> {
        let function = self.functions().dom_kernel_mem;
        let kernel_mem = self.call("xc_dom_kernel_mem", function)?;
        let (data, size) = (kernel.as_ptr().cast(), kernel.len());
        self.payloads.push(kernel);
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live, and `size` bytes readable until it is released
            // (xenguest.h): `self` owns the image and, since the line above, a share of the bytes.
            unsafe { kernel_mem(image, data, size) }
        })
    }

    fn module_mem(&mut self, module: Arc<Vec<u8>>) -> Result<(), CallError> {
        let function = self.functions().dom_module_mem;
        let module_mem = self.call("xc_dom_module_mem", function)?;
        let (data, size) = (module.as_ptr().cast(), module.len());
        self.payloads.push(module);
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live with room for a module, and `size` bytes readable
            // until it is released (xenguest.h, XG_MAX_MODULES 2): `self` owns the image and a
            // share of the bytes, and one build passes one module.
            unsafe { module_mem(image, data, size, ptr::null()) }
        })
    }

    fn boot_xen_init(&mut self, dom: DomId) -> Result<(), CallError> {
        let function = self.functions().dom_boot_xen_init;
        let init = self.call("xc_dom_boot_xen_init", function)?;
        let handle = handle(&self.interface)?;
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live and the handle stay open as long (xenguest.h): `self`
            // owns both and releases the image first.
            unsafe { init(image, handle, dom.into()) }
        })
    }

    fn parse_image(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_parse_image", self.functions().dom_parse_image)
    }

    fn mem_init(&mut self, mib: u32) -> Result<(), CallError> {
        let init = self.call("xc_dom_mem_init", self.functions().dom_mem_init)?;
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live (xenguest.h): `self` owns it.
            unsafe { init(image, mib) }
        })
    }

    fn boot_mem_init(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_boot_mem_init", self.functions().dom_boot_mem_init)
    }

    fn build_image(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_build_image", self.functions().dom_build_image)
    }

    fn boot_image(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_boot_image", self.functions().dom_boot_image)
    }

    fn gnttab_init(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_gnttab_init", self.functions().dom_gnttab_init)
    }

    fn console_pfn(&self) -> Gfn {
        Gfn(self.read(ImageField::ConsolePfn))
    }

    fn xenstore_pfn(&self) -> Gfn {
        Gfn(self.read(ImageField::XenstorePfn))
    }

    fn pv_p2m(&self, gfn: Gfn) -> Option<Mfn> {
        // The map has `p2m_size` entries, of which `total_pages` are populated (xc_dom_p2m).
        let entries = self.read(ImageField::P2mSize).min(self.read(ImageField::TotalPages));
        let map = self.read(ImageField::PvP2m);
        if map == 0 || gfn.0 >= entries {
            return None;
        }
        let map = ptr::with_exposed_provenance::<u64>(usize::try_from(map).ok()?);
        let entry = map.wrapping_add(usize::try_from(gfn.0).ok()?);
        // SAFETY: must lie in the map, which lives as long as the image (xg_dom_x86.c): its index is
        // below the number of entries.
        let frame = unsafe { entry.read() };
        (frame != INVALID_MFN).then_some(Mfn(frame))
    }
}

/// A call, if the library has it.
fn function<F>(library: &Library, call: &'static str, function: Option<F>) -> Result<F, CallError> {
    let unsupported = CallError::Unsupported { call, xen: library.ctrl().release() };
    let function = function.ok_or(unsupported)?;
    tracing::trace!(target: "xc::call", call);
    Ok(function)
}

/// The handle, for one call.
fn handle(interface: &Interface) -> Result<*mut xc_interface, CallError> {
    interface.as_ptr().map_err(|_| CallError::UsedAfterFork)
}

fn to_raw(map: &[E820Entry]) -> Vec<xenguest_sys::E820Entry> {
    map.iter()
        .map(|entry| xenguest_sys::E820Entry {
            addr: entry.start,
            size: entry.size.get(),
            type_: entry.kind.raw(),
        })
        .collect()
}

/// What stands in the map for a page that there is not (`INVALID_PFN`, `tools/libs/ctrl/xc_private.h`).
const INVALID_MFN: u64 = u64::MAX;
