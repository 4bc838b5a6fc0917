//! The policy, whether it is enforced, and its booleans.

use std::ffi::{CStr, CString};

use rustix::io::Errno;

use super::LONGEST;
use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// What becomes of what the policy forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Enforcement {
    /// It is logged and done.
    Permissive,
    /// It is refused.
    Enforcing,
}

/// A switch of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlaskBool {
    /// Its name.
    pub name: CString,
    /// Its value.
    pub value: bool,
    /// The value that it gets with the next commit.
    pub pending: bool,
}

impl Xc {
    /// Loads a policy in the binary form that `checkpolicy` makes, in place of the present one.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for what is no policy or is too large,
    /// [`Kind::Denied`](crate::Kind::Denied), [`Kind::NoMemory`](crate::Kind::NoMemory).
    #[doc(alias = "xc_flask_load")]
    pub fn load_flask_policy(&self, policy: &[u8]) -> Result<()> {
        self.backend
            .flask_load(policy)
            .map_err(|e| Error::new(format!("load a FLASK policy of {} bytes", policy.len()), e))
    }

    /// The newest version of binary policies that Xen takes.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without FLASK.
    #[doc(alias = "xc_flask_policyvers")]
    pub fn flask_policy_version(&self) -> Result<u32> {
        self.backend
            .flask_policyvers()
            .map_err(|e| Error::new("read the version of FLASK policies", e))
    }

    /// Whether the policy is enforced.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without FLASK.
    #[doc(alias = "xc_flask_getenforce")]
    pub fn flask_enforcement(&self) -> Result<Enforcement> {
        match self.backend.flask_getenforce() {
            Ok(0) => Ok(Enforcement::Permissive),
            Ok(_) => Ok(Enforcement::Enforcing),
            Err(e) => Err(Error::new("read whether FLASK enforces", e)),
        }
    }

    /// Sets whether the policy is enforced.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias = "xc_flask_setenforce")]
    pub fn set_flask_enforcement(&self, enforcement: Enforcement) -> Result<()> {
        self.backend
            .flask_setenforce((enforcement == Enforcement::Enforcing).into())
            .map_err(|e| Error::new(format!("make FLASK {enforcement:?}"), e))
    }

    /// A boolean of the policy by its number, from 0 on without a gap.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) beyond the last one.
    #[doc(alias = "xc_flask_getbool_byid")]
    pub fn flask_bool_at(&self, number: u32) -> Result<FlaskBool> {
        // -1 would ask for a name.
        i32::try_from(number)
            .map_err(|_| CallError::Errno(Errno::NOENT))
            .and_then(|number| self.backend.flask_getbool_byid(number, LONGEST))
            .map(|(name, value, pending)| FlaskBool {
                name,
                value: value != 0,
                pending: pending != 0,
            })
            .map_err(|e| Error::new(format!("read FLASK boolean {number}"), e))
    }

    /// A boolean of the policy by its name.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is none of this name.
    #[doc(alias = "xc_flask_getbool_byname")]
    pub fn flask_bool(&self, name: &CStr) -> Result<FlaskBool> {
        self.backend
            .flask_getbool_byname(name)
            .map(|(value, pending)| FlaskBool {
                name: name.to_owned(),
                value: value != 0,
                pending: pending != 0,
            })
            .map_err(|e| Error::new(format!("read FLASK boolean {name:?}"), e))
    }

    /// Sets a boolean of the policy, at once: libxc always commits.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is none of this name,
    /// [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias = "xc_flask_setbool")]
    pub fn set_flask_bool(&self, name: &CStr, value: bool) -> Result<()> {
        self.backend
            .flask_setbool(name, value.into(), 1)
            .map_err(|e| Error::new(format!("set FLASK boolean {name:?} to {value}"), e))
    }
}
