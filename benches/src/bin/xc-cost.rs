//! Makes one call of libxenctrl many times, raw or through `xc`, on a recording library.
//!
//! `cargo xtask valgrind` counts the instructions of both: what differs is what `xc` costs.

#![allow(unsafe_code, reason = "makes raw calls to compare with")]

use std::ffi::c_void;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use xc::{CreateConfig, GuestKind, HvmParam, OpenOptions, Release, Xc};
use xen_abi::Stub;
use xen_types::{DomId, DomainUuid};
use xenctrl_sys::{CreateDomain, DomainInfo, Interface, PhysInfo};

#[derive(Debug, Parser)]
struct Arguments {
    way: Way,
    call: Call,
    times: u32,
    /// Where to put the library.
    #[arg(long)]
    scratch: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    Raw,
    Xc,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Call {
    /// Numbers only.
    Pause,
    /// A number comes back through a pointer.
    HvmParam,
    /// A structure comes back.
    PhysInfo,
    /// An array of one structure comes back, and is kept in an array of its size.
    List,
    /// A structure goes in, after the host's was read.
    Create,
}

const DOM: DomId = DomId::new(5).expect("an ordinary id");

fn main() -> Result<()> {
    let Arguments { way, call, times, scratch } = Arguments::parse();
    let stub = Stub::new(&scratch, 20);
    let options = OpenOptions::new().release(Release::new(4, 20));
    // SAFETY: the libraries must be those of the release: they have its prototypes.
    let xc = unsafe { options.library_directory(stub.directory()) }.open()?;
    let raw = Interface::open(xc.library().context("it is a real library")?.clone())?;
    stub.on("xc_domain_create", |call| {
        call.write(1, &7_u32.to_le_bytes());
        0
    });
    match way {
        Way::Raw => (0..times).try_for_each(|_| call.raw(&raw)),
        Way::Xc => (0..times).try_for_each(|_| call.through(&xc)),
    }
}

impl Call {
    fn through(self, xc: &Xc) -> Result<()> {
        match self {
            Self::Pause => xc.pause(DOM)?,
            Self::HvmParam => drop(xc.hvm_param(DOM, HvmParam::STORE_PFN)?),
            Self::PhysInfo => {
                let _ = xc.physinfo()?;
            }
            Self::List => drop(xc.domains()?),
            Self::Create => {
                let uuid = DomainUuid::from_bytes([7; 16]);
                let _ = xc.create_domain(&CreateConfig::new(GuestKind::Pvh, uuid, 1))?;
            }
        }
        Ok(())
    }

    /// What a C program does, and no more.
    fn raw(self, interface: &Interface) -> Result<()> {
        const MISSING: &str = "the library has it";
        let functions = interface.library().functions();
        let handle = interface.as_ptr()?;
        let (mut number, mut host) = (0_u64, PhysInfo::default());
        let mut id = 0x7ff5_u32;
        let host_pointer: *mut c_void = (&raw mut host).cast();
        let returned = match self {
            Self::Pause => {
                let pause = functions.domain.domain_pause.context(MISSING)?;
                // SAFETY: the handle must be open: `interface` owns it.
                unsafe { pause(handle, DOM.into()) }
            }
            Self::HvmParam => {
                let get = functions.hvm.hvm_param_get.context(MISSING)?;
                // SAFETY: a number must be writable: `number` is one.
                unsafe { get(handle, DOM.into(), 1, &raw mut number) }
            }
            Self::PhysInfo => {
                let physinfo = functions.host.physinfo.context(MISSING)?;
                // SAFETY: a structure of 4.20 must be writable: `host` is one.
                unsafe { physinfo(handle, host_pointer) }
            }
            Self::List => {
                let list = functions.domain.domain_getinfolist.context(MISSING)?;
                let mut domains = Vec::<DomainInfo>::with_capacity(1024);
                // SAFETY: 1024 structures of 4.20 must be writable: `domains` has room for them.
                let found = unsafe { list(handle, 0, 1024, domains.as_mut_ptr().cast()) };
                // SAFETY: so many must be initialised: the library wrote as many as it says.
                unsafe { domains.set_len(found.try_into()?) };
                // As toolstacks in C do: nobody keeps room for 1024.
                std::hint::black_box(domains.to_vec());
                found.min(0)
            }
            Self::Create => {
                let physinfo = functions.host.physinfo.context(MISSING)?;
                // SAFETY: a structure of 4.20 must be writable: `host` is one.
                unsafe { physinfo(handle, host_pointer) };
                let create = functions.domain.domain_create.context(MISSING)?;
                let mut config = CreateDomain { max_vcpus: 1, ..CreateDomain::default() };
                // SAFETY: an id and a structure of 4.20 must be readable and writable: both are.
                unsafe { create(handle, &raw mut id, (&raw mut config).cast()) }
            }
        };
        if returned != 0 {
            bail!("it failed");
        }
        Ok(())
    }
}
