//! What building a guest takes, on a real Xen: `xg` against the same calls made from C, and `xenops
//! create` of a kernel that was unpacked before against `xl create`.
//!
//! ```text
//! for each round, in shuffled order
//!   domain made by `xc` ──▶ build-with-c │ this program again ──▶ nanoseconds ──▶ domain destroyed
//! ```
//! A process builds one guest, as a command does, so neither has memory that was used before. What is
//! not the builder's, making the domain and taking it away, is outside of what is measured.

use std::ffi::CString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, str};

use anyhow::{Context as _, Result, bail, ensure};
use xc::{CreateConfig, GuestKind, HvmParam, Xc};
use xen_types::{DomId, DomainUuid, MiB, Port};
use xg::{BuildConfig, Kernel, Ramdisk, Xg};

use crate::measure::Contender;

const MEMORY: MiB = MiB(128);

/// Who builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// `libxenguest.c`, compiled.
    C,
    /// This program, as [`build`].
    Ours,
}

/// A contender that builds a guest of `kernel`; `program` is that of the builder in C.
pub fn builder<'a>(
    name: &'static str,
    builder: Builder,
    program: &'a Path,
    kind: GuestKind,
    kernel: &'static str,
) -> Contender<'a> {
    Contender::new(name, move |_| {
        let xc = Xc::open()?;
        let dom = xc.create_domain(&CreateConfig::new(kind, DomainUuid::from_bytes(UUID), 1))?;
        let built = shaped(&xc, dom, kind).and_then(|(store, console)| {
            let mut command = match builder {
                Builder::C => Command::new(program),
                Builder::Ours => Command::new(env::current_exe()?),
            };
            if builder == Builder::Ours {
                command.arg("build");
            }
            let numbers = [dom.to_string(), store.to_string(), console.to_string()];
            command.arg(word(kind)).args(numbers).arg(MEMORY.get().to_string());
            nanoseconds(command.args([kernel, RAMDISK]))
        });
        xc.destroy_domain(dom)?;
        built
    })
}

/// Makes a domain ready for a build.
fn shaped(xc: &Xc, dom: DomId, kind: GuestKind) -> Result<(Port, Port)> {
    xc.set_max_vcpus(dom, 1)?;
    xc.set_max_mem(dom, MiB(MEMORY.get() + 1).to_bytes())?;
    if kind == GuestKind::Pvh {
        xc.set_hvm_param(dom, HvmParam::TIMER_MODE, 1)?;
        xc.set_paging_pool(dom, MiB(4).to_bytes())?;
    } else {
        xc.set_memory_map_limit(dom, MEMORY.to_kib())?;
    }
    let port = || xc.alloc_unbound_port(dom, DomId::DOM0);
    Ok((port()?, port()?))
}

fn nanoseconds(command: &mut Command) -> Result<Duration> {
    let output = command.output().context("start the builder")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let said = str::from_utf8(&output.stdout)?;
    Ok(Duration::from_nanos(said.trim().parse().with_context(|| format!("it said {said:?}"))?))
}

/// What the builder in C does, by `xg`: the arguments are its own. Returns how long it took.
///
/// # Errors
/// If the build fails.
pub fn build(arguments: &[String]) -> Result<Duration> {
    let [kind, dom, store, console, memory, kernel, ramdisk] = arguments else {
        bail!("seven arguments make a build");
    };
    let kind = if kind == word(GuestKind::Pvh) { GuestKind::Pvh } else { GuestKind::Pv };
    let dom = DomId::new(dom.parse()?).context("a domain's number")?;
    // A program in C has its libraries loaded before it starts.
    let xg = Xg::open(&Xc::open()?)?;
    let start = Instant::now();
    let kernel = Kernel::load_in_place(kernel)?;
    let (store, console) = (Port(store.parse()?), Port(console.parse()?));
    let mut config = BuildConfig::new(kind, kernel, MiB(memory.parse()?), store, console);
    config.ramdisk = Some(Ramdisk::load_in_place(ramdisk)?);
    config.cmdline = CString::from(c"console=hvc0");
    xg.build(dom, &config)?;
    // The program in C, too, has given everything back when it looks at the clock.
    drop(config);
    Ok(start.elapsed())
}

/// A contender that creates a guest of Debian's kernel by a command, from its configuration file, and
/// leaves it paused; it is destroyed outside of what is measured.
pub fn command(name: &'static str, arguments: &'static [&'static str]) -> Contender<'static> {
    Contender::new(name, move |_| {
        let (program, rest) = arguments.split_first().context("a command has a name")?;
        let start = Instant::now();
        let created = Command::new(program).args(rest).output().context("start it")?;
        let took = start.elapsed();
        ensure!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr).trim());
        let destroyed = Command::new("xl").args(["destroy", GUEST]).output().context("start xl")?;
        let said = String::from_utf8_lossy(&destroyed.stderr);
        ensure!(destroyed.status.success(), "destroy the guest: {}", said.trim());
        Ok(took)
    })
}

fn word(kind: GuestKind) -> &'static str {
    if kind == GuestKind::Pvh { "pvh" } else { "pv" }
}

/// The name of the guests that commands create.
pub const GUEST: &str = "measured";
/// The ramdisk of the lab's Linux guests.
pub const RAMDISK: &str = "/guests/hello.cpio";
const UUID: [u8; 16] = *b"bench of builds\0";
