//! What the library allocates and leaves to its caller.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

unsafe extern "C" {
    /// Gives back what `malloc` gave: libxc and this program share one C library.
    fn free(pointer: *mut c_void);
}

/// Memory from `malloc`, freed on drop.
#[derive(Debug)]
pub(super) struct Allocated(NonNull<u8>);

impl Allocated {
    /// `None` for null.
    ///
    /// # Safety
    /// The pointer must be null, or one of `malloc` or `calloc` that nobody else frees.
    pub(super) unsafe fn new<T: ?Sized>(pointer: *mut T) -> Option<Self> {
        NonNull::new(pointer.cast::<u8>()).map(Self)
    }

    /// A copy of the first bytes.
    ///
    /// # Safety
    /// So many bytes must have been allocated and initialised.
    pub(super) unsafe fn bytes(&self, count: usize) -> Vec<u8> {
        // SAFETY: must be readable for `count` bytes: the caller's promise; nobody else has it.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), count) }.to_vec()
    }

    /// A copy of the bytes before the first NUL.
    ///
    /// # Safety
    /// There must be a NUL within what was allocated, and all before it initialised.
    pub(super) unsafe fn text(&self) -> Vec<u8> {
        let text: *const c_char = self.0.as_ptr().cast();
        // SAFETY: must be a C string: the caller's promise; nobody else has it.
        unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
    }
}

impl Drop for Allocated {
    fn drop(&mut self) {
        // SAFETY: must come from malloc and be freed by nobody else: the promise made to `new`.
        unsafe { free(self.0.as_ptr().cast()) };
    }
}
