//! The security module FLASK.
//!
//! Strings go in terminated, and libxc takes as much as `strlen` says or as it is told, which here is
//! the same, without the final zero. It writes into none of them: their
//! buffers are bounced inwards only (`xc_flask.c`, 4.15 to 4.22).

use std::ffi::{CStr, CString, c_char, c_int};

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::Profile;

use super::{LibXenCtrl, call, check};
use crate::backend::{AccessDecision, CallError, FlaskCalls, Hypervisor as _};

impl FlaskCalls for LibXenCtrl {
    fn flask_load(&self, policy: &[u8]) -> Result<(), CallError> {
        let (function, handle) =
            self.callable("xc_flask_load", self.functions().flask.flask_load)?;
        let size = u32::try_from(policy.len()).map_err(|_| Errno::TOOBIG)?;
        let policy = policy.as_ptr().cast_mut().cast();
        // SAFETY: `size` bytes must be readable: the slice's. They are bounced inwards only.
        check(unsafe { function(handle, policy, size) }).map(drop)
    }

    fn flask_policyvers(&self) -> Result<u32, CallError> {
        call!(self, flask.flask_policyvers())
    }

    fn flask_getenforce(&self) -> Result<u32, CallError> {
        call!(self, flask.flask_getenforce())
    }

    fn flask_setenforce(&self, mode: i32) -> Result<(), CallError> {
        call!(self, flask.flask_setenforce(mode)).map(drop)
    }

    fn flask_context_to_sid(&self, context: &CStr) -> Result<u32, CallError> {
        let function = self.functions().flask.flask_context_to_sid;
        let (function, handle) = self.callable("xc_flask_context_to_sid", function)?;
        let size = u32::try_from(context.count_bytes()).map_err(|_| Errno::TOOBIG)?;
        // 4.23 takes no size: it would write the number where our size points to.
        if self.release() > Profile::NEWEST {
            return Err(self.unsupported("xc_flask_context_to_sid as it is known here"));
        }
        let mut sid = 0;
        // SAFETY: the prototype must be the one with a size: that of the releases known here. `size` bytes must be readable and the number writable: the string has as many and a
        // zero behind them; the number is one.
        check(unsafe { function(handle, text(context), size, &raw mut sid) })?;
        Ok(sid)
    }

    fn flask_sid_to_context(&self, sid: i32, room: usize) -> Result<CString, CallError> {
        let function = self.functions().flask.flask_sid_to_context;
        let (function, handle) = self.callable("xc_flask_sid_to_context", function)?;
        let mut buffer = Buffer::new(room)?;
        let (data, size) = buffer.parts();
        // SAFETY: `size` bytes must be writable: the buffer's, but for its last.
        check(unsafe { function(handle, sid, data, size.cast_unsigned()) })?;
        Ok(buffer.string())
    }

    fn flask_relabel_domain(&self, dom: DomId, sid: u32) -> Result<(), CallError> {
        call!(self, flask.flask_relabel_domain(dom, sid)).map(drop)
    }

    fn flask_getbool_byid(&self, id: i32, room: usize) -> Result<(CString, i32, i32), CallError> {
        let function = self.functions().flask.flask_getbool_byid;
        let (function, handle) = self.callable("xc_flask_getbool_byid", function)?;
        let mut buffer = Buffer::new(room)?;
        let (data, size) = buffer.parts();
        let (mut value, mut pending) = (0, 0);
        // SAFETY: `size` bytes and two numbers must be writable: the buffer's but for its last byte,
        // which ends a name that Xen does not terminate (flask_op.c); the numbers are two.
        check(unsafe {
            function(handle, id, data, size.cast_unsigned(), &raw mut value, &raw mut pending)
        })?;
        Ok((buffer.string(), value, pending))
    }

    fn flask_getbool_byname(&self, name: &CStr) -> Result<(i32, i32), CallError> {
        let function = self.functions().flask.flask_getbool_byname;
        let (function, handle) = self.callable("xc_flask_getbool_byname", function)?;
        let (mut value, mut pending) = (0, 0);
        // SAFETY: the name must be terminated and the numbers writable: CStr is, and they are two.
        check(unsafe { function(handle, text(name), &raw mut value, &raw mut pending) })?;
        Ok((value, pending))
    }

    fn flask_setbool(&self, name: &CStr, value: i32, commit: i32) -> Result<(), CallError> {
        let function = self.functions().flask.flask_setbool;
        let (function, handle) = self.callable("xc_flask_setbool", function)?;
        // SAFETY: the name must be terminated: CStr is.
        check(unsafe { function(handle, text(name), value, commit) }).map(drop)
    }

    fn flask_access(
        &self,
        source: &CStr,
        target: &CStr,
        class: u16,
        asked: u32,
    ) -> Result<AccessDecision, CallError> {
        let function = self.functions().flask.flask_access;
        let (function, handle) = self.callable("xc_flask_access", function)?;
        let (source, target) = (text(source).cast_const(), text(target).cast_const());
        let mut decision = AccessDecision::default();
        let AccessDecision { allowed, decided, auditallow, auditdeny, seqno } = &mut decision;
        // SAFETY: the contexts must be terminated and the five numbers writable: CStr is, and they are
        // fields borrowed for the call.
        let returned = check(unsafe {
            function(
                handle, source, target, class, asked, allowed, decided, auditallow, auditdeny,
                seqno,
            )
        });
        // A decision that denies returns -EPERM, which is -1, as a failure does, but only a decision
        // is filled in, and then `decided` is all ones (xc_flask.c).
        if decision.decided == 0 { returned.map(|_| decision) } else { Ok(decision) }
    }

    fn flask_add_pirq(&self, pirq: u32, context: &CStr) -> Result<(), CallError> {
        let function = self.functions().flask.flask_add_pirq;
        let (function, handle) = self.callable("xc_flask_add_pirq", function)?;
        // SAFETY: the context must be terminated: CStr is.
        check(unsafe { function(handle, pirq, text(context)) }).map(drop)
    }

    fn flask_add_ioport(&self, low: u64, high: u64, context: &CStr) -> Result<(), CallError> {
        let function = self.functions().flask.flask_add_ioport;
        let (function, handle) = self.callable("xc_flask_add_ioport", function)?;
        // SAFETY: the context must be terminated: CStr is.
        check(unsafe { function(handle, low, high, text(context)) }).map(drop)
    }

    fn flask_add_iomem(&self, low: u64, high: u64, context: &CStr) -> Result<(), CallError> {
        let function = self.functions().flask.flask_add_iomem;
        let (function, handle) = self.callable("xc_flask_add_iomem", function)?;
        // SAFETY: the context must be terminated: CStr is.
        check(unsafe { function(handle, low, high, text(context)) }).map(drop)
    }

    fn flask_add_device(&self, device: u64, context: &CStr) -> Result<(), CallError> {
        let function = self.functions().flask.flask_add_device;
        let (function, handle) = self.callable("xc_flask_add_device", function)?;
        // SAFETY: the context must be terminated: CStr is.
        check(unsafe { function(handle, device, text(context)) }).map(drop)
    }

    fn flask_del_pirq(&self, pirq: u32) -> Result<(), CallError> {
        call!(self, flask.flask_del_pirq(pirq)).map(drop)
    }

    fn flask_del_ioport(&self, low: u64, high: u64) -> Result<(), CallError> {
        call!(self, flask.flask_del_ioport(low, high)).map(drop)
    }

    fn flask_del_iomem(&self, low: u64, high: u64) -> Result<(), CallError> {
        call!(self, flask.flask_del_iomem(low, high)).map(drop)
    }

    fn flask_del_device(&self, device: u64) -> Result<(), CallError> {
        call!(self, flask.flask_del_device(device)).map(drop)
    }

    fn flask_avc_hashstats(&self, room: usize) -> Result<CString, CallError> {
        let function = self.functions().flask.flask_avc_hashstats;
        let (function, handle) = self.callable("xc_flask_avc_hashstats", function)?;
        let mut buffer = Buffer::new(room)?;
        let (data, size) = buffer.parts();
        // SAFETY: `size` bytes must be writable: the buffer's, but for its last.
        check(unsafe { function(handle, data, size) })?;
        Ok(buffer.string())
    }

    fn flask_avc_cachestats(&self, room: usize) -> Result<CString, CallError> {
        let function = self.functions().flask.flask_avc_cachestats;
        let (function, handle) = self.callable("xc_flask_avc_cachestats", function)?;
        let mut buffer = Buffer::new(room)?;
        let (data, size) = buffer.parts();
        // SAFETY: `size` bytes must be writable: the buffer's, but for its last. libxc stops at the
        // line that does not fit.
        check(unsafe { function(handle, data, size) })?;
        Ok(buffer.string())
    }

    fn flask_getavc_threshold(&self) -> Result<u32, CallError> {
        call!(self, flask.flask_getavc_threshold())
    }

    fn flask_setavc_threshold(&self, threshold: i32) -> Result<(), CallError> {
        call!(self, flask.flask_setavc_threshold(threshold)).map(drop)
    }
}

/// A string as the prototypes want it.
fn text(string: &CStr) -> *mut [c_char; 0] {
    string.as_ptr().cast_mut().cast()
}

/// Room for a text that C writes, zeroed, with a byte behind it that C is not told of.
struct Buffer {
    bytes: Vec<u8>,
    told: c_int,
}

impl Buffer {
    fn new(room: usize) -> Result<Self, CallError> {
        let told = c_int::try_from(room).map_err(|_| Errno::TOOBIG)?;
        Ok(Self { bytes: vec![0; room + 1], told })
    }

    /// Where to write, and how much at most.
    fn parts(&mut self) -> (*mut [c_char; 0], c_int) {
        (self.bytes.as_mut_ptr().cast(), self.told)
    }

    /// What was written, up to the first zero.
    fn string(self) -> CString {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default().to_owned()
    }
}
