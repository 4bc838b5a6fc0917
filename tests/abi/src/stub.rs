//! Recording libraries: libxenctrl and libxenguest of one release, as far as a caller can tell.
//!
//! ```text
//! code under test ──▶ xenctrl-sys ──dlopen──▶ libxenctrl.so.4.N, generated C: one function per line
//!                                              │ arguments as 64-bit numbers   of data/functions.txt
//!       test ◀── calls(), answers ◀── Stub ◀───┘
//! ```
//! Every function has the prototype that was measured for the release, notes its arguments and gives
//! what the test wants: by default 0, without looking at what pointers point to. So the path through
//! the C boundary is tested per release without Xen: numbers and widths of arguments, structures,
//! strides, errno.

#![allow(unsafe_code, reason = "loads libraries and reads what their callers pass")]

mod call;
mod source;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

pub use call::Call;

/// The two libraries of one release in a folder of their own.
#[derive(Debug)]
pub struct Stub {
    minor: u16,
    folder: PathBuf,
    state: &'static State,
}

impl Stub {
    /// The libraries of Xen 4.`minor`, which answer just what opening a handle asks.
    ///
    /// # Panics
    /// If there is no C compiler `cc`, or nothing can be written below `scratch`.
    pub fn new(scratch: &Path, minor: u16) -> Self {
        Self::without(scratch, minor, &[])
    }

    /// As [`Stub::new`], with libraries that lack some functions.
    ///
    /// # Panics
    /// As [`Stub::new`].
    pub fn without(scratch: &Path, minor: u16, missing: &[&str]) -> Self {
        Self::named(scratch, minor, minor, missing)
    }

    /// Libraries with the functions and structures of Xen 4.`minor` that are named after 4.`name`,
    /// and whose hypervisor says that it is that.
    ///
    /// # Panics
    /// As [`Stub::new`].
    pub fn named(scratch: &Path, minor: u16, name: u16, missing: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = scratch.join(format!("stub-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("make a folder for the libraries");
        let state: &'static State = Box::leak(Box::new(State::default()));
        for library in LIBRARIES {
            let path = folder.join(format!("{library}.so.4.{name}"));
            compile(source::of(library, minor, missing), &path);
            connect(&path, state);
        }
        let stub = Self { minor, folder, state };
        stub.answer_opening(name);
        stub
    }

    /// The folder of the libraries.
    pub fn directory(&self) -> &Path {
        &self.folder
    }

    /// The minor number of the release whose structures these libraries have.
    pub fn minor(&self) -> u16 {
        self.minor
    }

    /// From now on `answer` is what the function `name` does and returns.
    ///
    /// # Panics
    /// If the release has no such function.
    pub fn on(
        &self,
        name: &'static str,
        answer: impl Fn(&Call<'_>) -> i64 + Send + Sync + 'static,
    ) -> &Self {
        assert!(crate::function(name, self.minor).is_some(), "4.{} has no {name}", self.minor);
        lock(&self.state.answers).insert(name, Arc::new(answer));
        self
    }

    /// The calls made since the last look, oldest first, such as `xc_domain_pause(5)`. Handles are
    /// left out, other pointers are `&` or `null`.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.state.calls))
    }

    fn answer_opening(&self, reports: u16) {
        let size = |name| crate::layout(name, self.minor).expect("it is in the table").size;
        let (domain, host) = (size("xc_domaininfo_t"), size("xc_physinfo_t"));
        let layout = crate::layout("xc_physinfo_t", self.minor).expect("it is in the table");
        let facts = [("nr_cpus", 2), ("total_pages", 786_303), ("free_pages", 515_675)];
        let facts = layout.bytes(&facts);
        debug_assert_eq!(facts.len(), host);
        self.on("xc_interface_open", |_| HANDLE)
            .on("xc_version", move |call| match call.number(1) {
                0 => 4 << 16 | i64::from(reports),
                _ => {
                    call.write(2, b".3-stub\0\0\0\0\0\0\0\0\0");
                    0
                }
            })
            .on("xc_physinfo", move |call| {
                call.write(1, &facts);
                0
            })
            .on("xc_domain_getinfolist", move |call| {
                let asked = (call.number(1), call.number(2));
                let found = if asked.0 == 0 && asked.1 > 0 { 1 } else { 0 };
                call.write(3, &vec![0; domain * found]);
                found as i64
            });
        self.calls();
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // Libraries that are loaded stay loaded without their files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

type Answer = dyn Fn(&Call<'_>) -> i64 + Send + Sync;

/// What a pair of libraries does, for as long as the program runs, as they are never unloaded.
#[derive(Default)]
struct State {
    answers: Mutex<HashMap<&'static str, Arc<Answer>>>,
    calls: Mutex<Vec<String>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("calls", &self.calls).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the library of this source at `path`. Each is compiled once, and copied, as the dynamic loader
/// takes one file for one library.
fn compile(source: String, path: &Path) {
    static COMPILED: Mutex<Option<HashMap<String, Vec<u8>>>> = Mutex::new(None);
    let mut compiled = lock(&COMPILED);
    let library = compiled.get_or_insert_default().entry(source).or_insert_with_key(|source| {
        let file = path.with_extension("c");
        std::fs::write(&file, source).expect("write the library's source");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-w", "-O0", "-o"])
            .args([path, &file])
            .status()
            .expect("run the C compiler cc");
        assert!(status.success(), "cc failed on {}", file.display());
        std::fs::read(path).expect("read the library just compiled")
    });
    std::fs::write(path, library).expect("write the library");
}

/// Tells a library where its calls go.
fn connect(path: &Path, state: &'static State) {
    // SAFETY: the initialisers must be sound to run: the generated source has none.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = library.expect("load the library just compiled");
    // SAFETY: the symbol must have this type: `source` declares it so.
    let connect = unsafe { library.get::<Connect>("stub_connect") }.expect("it is in the source");
    // SAFETY: handler and state must live as long as the library: a function, and leaked memory.
    unsafe { connect(handle, std::ptr::from_ref(state).cast()) };
    std::mem::forget(library);
}

type Handler = unsafe extern "C" fn(
    state: *const c_void,
    name: *const c_char,
    arguments: *const u64,
    count: u32,
    errno: *mut c_int,
) -> i64;
type Connect = unsafe extern "C" fn(handler: Handler, state: *const c_void);

/// Where every call of a generated function arrives.
///
/// # Safety
/// To be called by the generated code only, with what `connect` gave it.
unsafe extern "C" fn handle(
    state: *const c_void,
    name: *const c_char,
    arguments: *const u64,
    count: u32,
    errno: *mut c_int,
) -> i64 {
    // SAFETY: must be the state given to `connect`, which is never freed: the source keeps it.
    let state = unsafe { &*state.cast::<State>() };
    // SAFETY: must be a C string: the source passes a literal.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default();
    // SAFETY: must have `count` elements: the source passes an array and its length.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, count as usize) };
    let call = Call::new(name, arguments);
    lock(&state.calls).push(call.to_string());
    let answer = lock(&state.answers).get(name).cloned();
    let answered = answer.map_or(0, |answer| answer(&call));
    if let Some(number) = call.failure() {
        // SAFETY: must be writable for one int: the source passes a variable.
        unsafe { *errno = number };
    }
    answered
}

/// What `xc_interface_open` returns; nobody looks behind it.
const HANDLE: i64 = HANDLE_BITS.cast_signed();
const HANDLE_BITS: u64 = 0x1000;
const LIBRARIES: [&str; 2] = ["libxenctrl", "libxenguest"];
