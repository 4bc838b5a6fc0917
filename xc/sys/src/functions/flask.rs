//! The security module FLASK.

use std::ffi::c_int;

use crate::xc_interface;

crate::functions! {
    /// The security module FLASK.
    pub struct FlaskFunctions;

    /// Whether the policy is enforced: 1 or 0.
    flask_getenforce = "xc_flask_getenforce": (*mut xc_interface) -> c_int;
}
