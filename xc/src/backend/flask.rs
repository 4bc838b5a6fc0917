//! The security module FLASK.

calls! {
    /// The security module FLASK.
    pub trait FlaskCalls;

    "xc_flask_getenforce" fn flask_getenforce(&self) -> u32;
}
