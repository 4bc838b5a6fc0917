//! Xen's own client library, loaded at run time from the unpacked package it comes in.
//!
//! The declarations are our own, of the stable interface of `libxenstore.so.4` (xenstore.h). The
//! only unsafe code of this package is here.

#![allow(unsafe_code, reason = "calls into a C library")]

use std::env;
use std::ffi::{CStr, CString, c_char, c_uint, c_ulong, c_void};
use std::io;
use std::path::Path;
use std::ptr::NonNull;
use std::slice;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use libloading::os::unix;

use crate::content::{IN_TRANSACTION, NODE, TREE, TREE_NODES, VALUE, WATCHED};
use crate::hand::check;

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[derive(Debug)]
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn of(library: &unix::Library) -> Result<Self> {
                Ok(Self {
                    // SAFETY: the type must be that of the symbol: name and type stand side by
                    // side in the list below, which follows xenstore.h of 4.17.
                    $($name: *unsafe { library.get($symbol) }.context($symbol.escape_ascii())?,)*
                })
            }
        }
    };
}

functions! {
    open = b"xs_open": fn(c_ulong) -> *mut c_void;
    close = b"xs_close": fn(*mut c_void);
    read = b"xs_read": fn(*mut c_void, u32, *const c_char, *mut c_uint) -> *mut c_void;
    write = b"xs_write": fn(*mut c_void, u32, *const c_char, *const c_void, c_uint) -> bool;
    directory = b"xs_directory":
        fn(*mut c_void, u32, *const c_char, *mut c_uint) -> *mut *mut c_char;
    watch = b"xs_watch": fn(*mut c_void, *const c_char, *const c_char) -> bool;
    transaction_start = b"xs_transaction_start": fn(*mut c_void) -> u32;
    transaction_end = b"xs_transaction_end": fn(*mut c_void, u32, bool) -> bool;
}

unsafe extern "C" {
    fn free(memory: *mut c_void);
}

/// The library and what is used of it.
#[derive(Debug)]
pub struct LibXenstore {
    functions: Functions,
    /// Keeps mapped what the pointers above point to, and what that calls in turn.
    _libraries: [unix::Library; 2],
}

/// A connection, shared by any number of threads.
#[derive(Debug)]
pub struct Connection<'a> {
    functions: &'a Functions,
    handle: NonNull<c_void>,
    /// The paths as C has them, made once as a C program would.
    node: CString,
    in_transaction: [CString; IN_TRANSACTION.len()],
}

// SAFETY: another thread than the one that opened a handle must be able to use it: it holds
// mutexes, conditions and descriptors, nothing of a thread (xs.c of 4.17, struct xs_handle, built
// with USE_PTHREAD: the packaged library imports pthread_create).
unsafe impl Send for Connection<'_> {}
// SAFETY: several threads must be able to use one handle at a time: each request holds the
// handle's `request_mutex` for the whole round trip (xs.c of 4.17, xs_talkv).
unsafe impl Sync for Connection<'_> {}

/// Memory that a call returned, freed in the end.
struct Returned(NonNull<c_void>);

impl LibXenstore {
    /// Loads the library from the folder in which it and libxentoolcore lie.
    ///
    /// # Errors
    /// If one of them is not there.
    pub fn load(folder: &Path) -> Result<Self> {
        // By its path, and first: the loader then has it when the other asks for its bare name.
        let toolcore = load(&folder.join("libxentoolcore.so.1"))?;
        let library = load(&folder.join("libxenstore.so.4"))?;
        Ok(Self { functions: Functions::of(&library)?, _libraries: [library, toolcore] })
    }

    /// Connects to the daemon at this socket.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(&self, socket: &Path) -> Result<Connection<'_>> {
        let node = CString::new(NODE)?;
        let [a, b, c, d, e, f, g, h, i, j] = IN_TRANSACTION.map(CString::new);
        let in_transaction = [a?, b?, c?, d?, e?, f?, g?, h?, i?, j?];
        static ENVIRONMENT: Mutex<()> = Mutex::new(());
        let lock = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no other thread may use the environment but through `std::env` (its note): the
        // only C code here that calls getenv(3) is xs_open, and it runs under this lock.
        unsafe { env::set_var("XENSTORED_PATH", socket) };
        // SAFETY: xs_open has no obligation; the flags are ignored (xenstore.h).
        let handle = unsafe { (self.functions.open)(0) };
        drop(lock);
        let handle = NonNull::new(handle).with_context(|| failed("xs_open"))?;
        Ok(Connection { functions: &self.functions, handle, node, in_transaction })
    }
}

impl Connection<'_> {
    /// Starts to watch a node that never changes, which gives the connection its helper thread.
    ///
    /// # Errors
    /// If the daemon refuses; so below.
    pub fn watch(&self) -> Result<()> {
        let (path, token) = (CString::new(WATCHED)?, c"token");
        // SAFETY: handle and strings must be valid for the call: `self` and the line above own
        // them.
        let watched =
            unsafe { (self.functions.watch)(self.handle.as_ptr(), path.as_ptr(), token.as_ptr()) };
        ensure!(watched, failed("xs_watch"));
        Ok(())
    }

    /// Reads the node and checks its value.
    ///
    /// # Errors
    /// If it has another one.
    pub fn read_node(&self) -> Result<()> {
        self.read(&self.node)
    }

    /// Writes the node.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub fn write_node(&self) -> Result<()> {
        self.write(0, &self.node)
    }

    /// Writes ten nodes in a transaction.
    ///
    /// # Errors
    /// If the daemon refuses; a conflict cannot be, as nobody else writes.
    pub fn transaction(&self) -> Result<()> {
        // SAFETY: the handle must be open: it is until `self` is dropped.
        let tx = unsafe { (self.functions.transaction_start)(self.handle.as_ptr()) };
        ensure!(tx != 0, failed("xs_transaction_start"));
        for path in &self.in_transaction {
            self.write(tx, path)?;
        }
        // SAFETY: the handle must be open: it is until `self` is dropped.
        let ended = unsafe { (self.functions.transaction_end)(self.handle.as_ptr(), tx, false) };
        ensure!(ended, failed("xs_transaction_end"));
        Ok(())
    }

    /// Reads the names and values of the whole tree.
    ///
    /// # Errors
    /// If it is not what was made.
    pub fn tree(&self) -> Result<()> {
        let mut paths = vec![CString::new(TREE)?];
        let mut done = 0;
        while let Some(path) = paths.get(done).cloned() {
            self.read(&path)?;
            self.children(&path, &mut paths)?;
            done += 1;
        }
        ensure!(done == TREE_NODES, "the tree has {done} nodes");
        Ok(())
    }

    fn read(&self, path: &CStr) -> Result<()> {
        let mut len = 0;
        // SAFETY: handle, string and length must be valid for the call: all outlive it.
        let value =
            unsafe { (self.functions.read)(self.handle.as_ptr(), 0, path.as_ptr(), &raw mut len) };
        let value = Returned::new(value).with_context(|| failed("xs_read"))?;
        // SAFETY: there must be `len` bytes: xs_read sets it to the length of what it returned.
        check(unsafe { slice::from_raw_parts(value.0.cast::<u8>().as_ptr(), len as usize) })
    }

    fn write(&self, tx: u32, path: &CStr) -> Result<()> {
        let len = c_uint::try_from(VALUE.len())?;
        let value = VALUE.as_ptr().cast();
        // SAFETY: handle, string and `len` bytes must be valid for the call: all outlive it.
        let written =
            unsafe { (self.functions.write)(self.handle.as_ptr(), tx, path.as_ptr(), value, len) };
        ensure!(written, failed("xs_write"));
        Ok(())
    }

    /// Appends the paths of the children of a node.
    fn children(&self, path: &CStr, paths: &mut Vec<CString>) -> Result<()> {
        let mut count = 0;
        // SAFETY: handle, string and count must be valid for the call: all outlive it.
        let names = unsafe {
            (self.functions.directory)(self.handle.as_ptr(), 0, path.as_ptr(), &raw mut count)
        };
        let names = Returned::new(names.cast()).with_context(|| failed("xs_directory"))?;
        let first = names.0.cast::<*const c_char>().as_ptr();
        // SAFETY: there must be `count` pointers: xs_directory sets it to how many it returned.
        for name in unsafe { slice::from_raw_parts(first, count as usize) } {
            // SAFETY: it must be a C string that lives on: it lies in the same memory as the
            // pointers, which `names` owns.
            let name = unsafe { CStr::from_ptr(*name) };
            paths.push(CString::new([path.to_bytes(), b"/", name.to_bytes()].concat())?);
        }
        Ok(())
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody may use the handle after this: the borrows of `self` have ended.
        unsafe { (self.functions.close)(self.handle.as_ptr()) }
    }
}

impl Returned {
    fn new(memory: *mut c_void) -> Option<Self> {
        NonNull::new(memory).map(Self)
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        // SAFETY: it must come from malloc and be freed once: xenstore.h says so of all that is
        // wrapped here, and this is its owner.
        unsafe { free(self.0.as_ptr()) }
    }
}

fn load(file: &Path) -> Result<unix::Library> {
    let flags = unix::RTLD_NOW | unix::RTLD_GLOBAL;
    // SAFETY: what the library does when it is loaded must be harmless: neither of the two has an
    // initializer of its own.
    unsafe { unix::Library::open(Some(file), flags) }
        .with_context(|| format!("load {}", file.display()))
}

/// What the last call failed with.
fn failed(call: &'static str) -> String {
    format!("{call}: {}", io::Error::last_os_error())
}
