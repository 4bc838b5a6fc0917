//! One call, as it arrived in the library.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fmt;

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

/// A call with its arguments, for an answer to look at.
#[derive(Debug)]
pub struct Call<'a> {
    name: &'a str,
    arguments: &'a [u64],
    failure: Cell<Option<c_int>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(name: &'a str, arguments: &'a [u64]) -> Self {
        Self { name, arguments, failure: Cell::new(None) }
    }

    /// Argument `index` as a number, the handle being 0.
    pub fn number(&self, index: usize) -> u64 {
        self.arguments[index]
    }

    /// Argument `index` as a signed number.
    pub fn signed(&self, index: usize) -> i64 {
        self.arguments[index].cast_signed()
    }

    /// What argument `index` points to, so many bytes of it: as many as the library of the release
    /// would read.
    ///
    /// # Panics
    /// If it is null.
    pub fn read(&self, index: usize, bytes: usize) -> Vec<u8> {
        let pointer = self.pointer(index);
        // SAFETY: must be readable for `bytes`: whoever called owes it to the library played here,
        // and whether they keep to it is what tests under valgrind are for.
        unsafe { std::slice::from_raw_parts(pointer, bytes) }.to_vec()
    }

    /// Writes where argument `index` points to, as the library of the release would.
    ///
    /// # Panics
    /// If it is null.
    pub fn write(&self, index: usize, bytes: &[u8]) {
        let pointer = self.pointer(index);
        // SAFETY: must be writable for as much: as for `read`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, bytes.len()) };
    }

    /// The answer of a call that returns these bytes in memory from `malloc`, for the caller to free.
    ///
    /// # Panics
    /// If there is no memory.
    pub fn allocate(&self, bytes: &[u8]) -> i64 {
        // SAFETY: any size may be asked for.
        let memory = unsafe { malloc(bytes.len().max(1)) }.cast::<u8>();
        assert!(!memory.is_null(), "no memory for what {} returns", self.name);
        // SAFETY: must be writable for as many bytes: they were just allocated.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len()) };
        (memory as u64).cast_signed()
    }

    /// Frees what [`Call::allocate`] gave, as the library does when its caller is done with it.
    pub fn free(&self, memory: u64) {
        // SAFETY: must be what `malloc` gave and nobody freed: whoever called owes it to the library
        // played here, and whether they keep to it is what tests under valgrind are for.
        unsafe { free(memory as *mut c_void) };
    }

    /// The answer of a call that fails with `errno`.
    pub fn fail(&self, errno: c_int) -> i64 {
        self.failure.set(Some(errno));
        -1
    }

    /// The answer of a call that fails with `errno` and returns a pointer.
    pub fn fail_null(&self, errno: c_int) -> i64 {
        self.failure.set(Some(errno));
        0
    }

    pub(super) fn failure(&self) -> Option<c_int> {
        self.failure.get()
    }

    fn pointer(&self, index: usize) -> *mut u8 {
        let pointer = self.arguments[index] as *mut u8;
        assert!(!pointer.is_null(), "argument {index} of {} is null", self.name);
        pointer
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = crate::functions().iter().find(|function| {
            function.name == self.name && function.arguments().len() == self.arguments.len()
        });
        let types = types.map(crate::Function::arguments).unwrap_or_default();
        write!(f, "{}(", self.name)?;
        let mut comma = "";
        for (argument, kind) in self.arguments.iter().zip(types) {
            match (kind, *argument) {
                ("ptr", super::HANDLE_BITS) => continue,
                ("ptr", 0) => write!(f, "{comma}null")?,
                ("ptr", _) => write!(f, "{comma}&")?,
                (kind, number) if kind.starts_with('i') => {
                    write!(f, "{comma}{}", number.cast_signed())?;
                }
                (_, number) => write!(f, "{comma}{number}")?,
            }
            comma = ", ";
        }
        f.write_str(")")
    }
}
