//! The security module FLASK.

use super::{LibXenCtrl, call};
use crate::backend::{CallError, FlaskCalls};

impl FlaskCalls for LibXenCtrl {
    fn flask_getenforce(&self) -> Result<u32, CallError> {
        call!(self, flask.flask_getenforce())
    }
}
