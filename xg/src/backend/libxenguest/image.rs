//! An image of libxenguest: its fields and the calls of a build.

use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use xc::E820Entry;
use xen_types::{DomId, Gfn, Mfn, PageCount, Port};
use xenguest_sys::{ImageField, Interface, xc_dom_image};

use super::order::{Order, Step};
use super::{LibXenGuest, handle, to_raw};
use crate::backend::outcome::check;
use crate::backend::{CallError, Container, Content, Hypervisor as _, Image};

/// An image of libxenguest, with everything that it points to.
#[derive(Debug)]
pub(super) struct LibImage<'a> {
    backend: &'a LibXenGuest,
    image: NonNull<xc_dom_image>,
    release: Release,
    order: Order,
    /// Kernel, modules and firmware, which the image points to until it is released.
    payloads: Vec<Arc<Content>>,
    /// The ACPI tables and the memory map, likewise.
    acpi: Vec<u8>,
    e820: Vec<xenguest_sys::E820Entry>,
    /// The handle that the image works with, nobody else's; closed when the image is released.
    interface: Interface,
}

type Release = unsafe extern "C" fn(*mut xc_dom_image);
type Simple = unsafe extern "C" fn(*mut xc_dom_image) -> c_int;

impl<'a> LibImage<'a> {
    /// The owner of a new image that was made with `interface`.
    pub(super) fn new(
        backend: &'a LibXenGuest,
        image: NonNull<xc_dom_image>,
        release: Release,
        interface: Interface,
    ) -> Result<Self, CallError> {
        let image = Self {
            backend,
            image,
            release,
            order: Order::new(),
            payloads: Vec::new(),
            acpi: Vec::new(),
            e820: Vec::new(),
            interface,
        };
        image.check_layout()?;
        Ok(image)
    }
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

    /// Makes a call that takes the image alone, after the step that it needs.
    fn step(
        &mut self,
        call: &'static str,
        function: Option<Simple>,
        [after, made]: [Step; 2],
    ) -> Result<(), CallError> {
        let step = self.call(call, function)?;
        self.order.begin(call, after)?;
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live and used by nobody else, what it points to must live
            // (xenguest.h), and the steps before this one must have been made (xg_dom_core.c):
            // `self` owns it, is borrowed uniquely, and holds its payloads and its handle; `order`
            // has just found the step before this one to be the last, and every one likewise.
            unsafe { step(image) }
        })?;
        self.order.end(made);
        Ok(())
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

    /// Bytes that the image points to from now on.
    fn module(&mut self, data: ImageField, length: ImageField, module: Arc<Content>) {
        self.write(data, module.as_ptr().expose_provenance() as u64);
        self.write(length, module.len() as u64);
        self.payloads.push(module);
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

    fn set_system_firmware_module(&mut self, module: Arc<Content>) {
        self.module(
            ImageField::SystemFirmwareModuleData,
            ImageField::SystemFirmwareModuleLength,
            module,
        );
    }

    fn set_acpi_module(&mut self, module: Vec<u8>, address: u64) {
        self.acpi = module;
        let size = self.acpi.len();
        self.write(ImageField::AcpiModule0Data, self.acpi.as_ptr().expose_provenance() as u64);
        self.write(ImageField::AcpiModule0Length, size as u64);
        self.write(ImageField::AcpiModule0GuestAddrOut, address);
    }

    fn set_smbios_module(&mut self, module: Arc<Content>) {
        self.module(ImageField::SmbiosModuleData, ImageField::SmbiosModuleLength, module);
    }

    fn set_e820(&mut self, map: &[E820Entry]) {
        self.e820 = to_raw(map);
        let entries = self.e820.len();
        self.write(ImageField::E820, self.e820.as_ptr().expose_provenance() as u64);
        self.write(ImageField::E820Entries, entries as u64);
    }

    fn kernel_mem(&mut self, kernel: Arc<Content>) -> Result<(), CallError> {
        let function = self.functions().dom_kernel_mem;
        let kernel_mem = self.call("xc_dom_kernel_mem", function)?;
        self.order.begin("xc_dom_kernel_mem", Step::New)?;
        let (data, size) = (kernel.as_ptr().cast(), kernel.len());
        self.payloads.push(kernel);
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live, and `size` bytes readable until it is released
            // (xenguest.h): `self` owns the image and, since the line above, a share of the bytes.
            unsafe { kernel_mem(image, data, size) }
        })?;
        self.order.end(Step::Kernel);
        Ok(())
    }

    fn module_mem(&mut self, module: Arc<Content>) -> Result<(), CallError> {
        let function = self.functions().dom_module_mem;
        let module_mem = self.call("xc_dom_module_mem", function)?;
        self.order.begin_module()?;
        let (data, size) = (module.as_ptr().cast(), module.len());
        self.payloads.push(module);
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live with room for a module, and `size` bytes readable
            // until it is released (xenguest.h, XG_MAX_MODULES 2): `self` owns the image and a
            // share of the bytes, and `order` has counted this module and found room for it.
            unsafe { module_mem(image, data, size, ptr::null()) }
        })?;
        self.order.end(Step::Kernel);
        Ok(())
    }

    fn boot_xen_init(&mut self, dom: DomId) -> Result<(), CallError> {
        let function = self.functions().dom_boot_xen_init;
        let init = self.call("xc_dom_boot_xen_init", function)?;
        let handle = handle(&self.interface)?;
        self.order.begin("xc_dom_boot_xen_init", Step::Kernel)?;
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live and the handle stay open as long (xenguest.h): `self`
            // owns both and releases the image first.
            unsafe { init(image, handle, dom.into()) }
        })?;
        self.order.end(Step::Bound);
        Ok(())
    }

    fn parse_image(&mut self) -> Result<(), CallError> {
        let function = self.functions().dom_parse_image;
        self.step("xc_dom_parse_image", function, [Step::Bound, Step::Parsed])
    }

    fn mem_init(&mut self, mib: u32) -> Result<(), CallError> {
        let init = self.call("xc_dom_mem_init", self.functions().dom_mem_init)?;
        self.order.begin("xc_dom_mem_init", Step::Parsed)?;
        let image = self.image.as_ptr();
        check(|| {
            // SAFETY: the image must be live (xenguest.h) and parsed, which finds the architecture's
            // functions that this calls (xg_dom_core.c): `self` owns it, and `order` says so.
            unsafe { init(image, mib) }
        })?;
        self.order.end(Step::Mapped);
        Ok(())
    }

    fn boot_mem_init(&mut self) -> Result<(), CallError> {
        let function = self.functions().dom_boot_mem_init;
        self.step("xc_dom_boot_mem_init", function, [Step::Mapped, Step::Populated])
    }

    fn build_image(&mut self) -> Result<(), CallError> {
        let function = self.functions().dom_build_image;
        self.step("xc_dom_build_image", function, [Step::Populated, Step::Built])
    }

    fn boot_image(&mut self) -> Result<(), CallError> {
        let function = self.functions().dom_boot_image;
        self.step("xc_dom_boot_image", function, [Step::Built, Step::Booted])
    }

    fn gnttab_init(&mut self) -> Result<(), CallError> {
        let function = self.functions().dom_gnttab_init;
        self.step("xc_dom_gnttab_init", function, [Step::Booted, Step::Granted])
    }

    fn console_pfn(&self) -> Gfn {
        Gfn(self.read(ImageField::ConsolePfn))
    }

    fn xenstore_pfn(&self) -> Gfn {
        Gfn(self.read(ImageField::XenstorePfn))
    }

    fn acpi_module_guest_addr(&self) -> u64 {
        self.read(ImageField::AcpiModule0GuestAddrOut)
    }

    fn smbios_module_guest_addr(&self) -> u64 {
        self.read(ImageField::SmbiosModuleGuestAddrOut)
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
        // SAFETY: must lie in the map, which lives as long as the image (xg_dom_x86.c): its index
        // is below the number of entries.
        let frame = unsafe { entry.read() };
        (frame != INVALID_MFN).then_some(Mfn(frame))
    }
}

/// What stands in the map for a page that there is not (`INVALID_PFN`,
/// `tools/libs/ctrl/xc_private.h`).
const INVALID_MFN: u64 = u64::MAX;
