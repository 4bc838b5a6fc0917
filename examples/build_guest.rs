//! Builds a guest with the layers below `xenops` alone and lets it run: `xc` makes the domain, `xg` puts
//! the kernel in, `xs` tells the daemons. What `xenops` adds is undo, names, locks and devices.
//!
//! `cargo run -p examples --example build-guest -- pvh /boot/vmlinuz initrd 'console=hvc0'`, in the control
//! domain. Ramdisk and command line may be left out. Prints the number of the domain and leaves it.
//!
//! Ends with 3 where no Xen runs.

use std::error::Error;
use std::ffi::CString;
use std::process::ExitCode;

use xc::{CreateConfig, GuestKind, HvmParam, Kind, Xc};
use xen_types::{DomId, DomainUuid, Gfn, MiB, Port};
use xg::{BuildConfig, Built, CpuOptions, Kernel, KernelCache, Ramdisk, Xg};
use xs::{Access, Client, Path, Perms, Store};

const MEMORY: MiB = MiB(128);
const VCPUS: u32 = 1;
const NAME: &str = "built-by-example";

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<ExitCode> {
    let xc = match Xc::open() {
        Err(error) if error.kind() == Kind::Unavailable => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            println!("no Xen here: {error}{cause}");
            return Ok(ExitCode::from(3));
        }
        opened => opened?,
    };
    let mut arguments = std::env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("pv") => GuestKind::Pv,
        Some("pvh") => GuestKind::Pvh,
        _ => return Err("usage: build-guest pv|pvh KERNEL [RAMDISK [COMMAND-LINE]]".into()),
    };
    // Files first: what is wrong with them costs nothing yet. A bzImage is unpacked, once for all guests.
    let kernel = Kernel::load(arguments.next().ok_or("no kernel is given")?)?;
    let cache = KernelCache::new().in_folder(KernelCache::FOLDER, MiB(512));
    let kernel = cache.unpack(&kernel)?.kernel;
    kernel.check(kind)?;
    let ramdisk = arguments.next().map(Ramdisk::load).transpose()?;
    let cmdline = CString::new(arguments.next().unwrap_or_default())?;

    let dom = xc.create_domain(&CreateConfig::new(kind, DomainUuid::from_bytes(UUID), VCPUS))?;
    let built = Guest { xc: &xc, dom, kind }.run(kernel, ramdisk, cmdline);
    if built.is_err() {
        // A domain that was not finished is good for nothing.
        xc.destroy_domain(dom)?;
    }
    built?;
    println!("{dom}");
    Ok(ExitCode::SUCCESS)
}

struct Guest<'a> {
    xc: &'a Xc,
    dom: DomId,
    kind: GuestKind,
}

impl Guest<'_> {
    fn run(self, kernel: Kernel, ramdisk: Option<Ramdisk>, cmdline: CString) -> Result<()> {
        self.shape()?;
        let store = self.xc.alloc_unbound_port(self.dom, DomId::DOM0)?;
        let console = self.xc.alloc_unbound_port(self.dom, DomId::DOM0)?;
        let xg = Xg::open(self.xc)?;
        xg.apply_cpu_policy(self.dom, &CpuOptions::DEFAULT)?;
        let mut config = BuildConfig::new(self.kind, kernel, MEMORY, store, console);
        config.ramdisk = ramdisk;
        config.cmdline = cmdline;
        config.vcpus = VCPUS;
        let built = xg.build(self.dom, &config)?;
        self.introduce(&built, store, console)?;
        Ok(self.xc.unpause(self.dom)?)
    }

    /// What the domain may have, before anything is put into it.
    fn shape(&self) -> xc::Result<()> {
        let (xc, dom) = (self.xc, self.dom);
        xc.set_max_vcpus(dom, VCPUS)?;
        xc.set_max_mem(dom, MiB(MEMORY.get() + 1).to_bytes())?;
        if self.kind == GuestKind::Pv {
            return xc.set_memory_map_limit(dom, MEMORY.to_kib());
        }
        xc.set_hvm_param(dom, HvmParam::TIMER_MODE, 1)?;
        xc.set_paging_pool(dom, MiB(4).to_bytes())
    }

    /// Tells xenconsoled and xenstored of the guest.
    fn introduce(&self, built: &Built, store: Port, console: Port) -> Result<()> {
        let client = Client::open()?;
        let home = Path::domain(self.dom);
        client.mkdir(&home)?;
        // The guest reads what is said to it, and writes where it answers. A console that it could point
        // elsewhere is one that `xenops console` does not open.
        client.set_perms(&home, &Perms::private(DomId::DOM0).allow(self.dom, Access::Read))?;
        let answers = home.try_join("control")?;
        client.mkdir(&answers)?;
        client.set_perms(&answers, &Perms::private(self.dom))?;
        let nodes = [
            ("name", NAME.to_owned()),
            ("domid", self.dom.to_string()),
            ("store/port", store.to_string()),
            ("store/ring-ref", built.store.number().to_string()),
            ("console/type", "xenconsoled".to_owned()),
            ("console/output", "pty".to_owned()),
            ("console/limit", "1048576".to_owned()),
            ("console/port", console.to_string()),
            ("console/ring-ref", built.console.number().to_string()),
        ];
        for (node, value) in nodes {
            client.write(&home.try_join(node)?, value)?;
        }
        Ok(client.introduce(self.dom, Gfn(built.store.number()), store)?)
    }
}

/// Any that no other domain has.
const UUID: [u8; 16] = *b"example of build";
