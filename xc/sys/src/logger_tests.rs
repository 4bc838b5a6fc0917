use std::ffi::CString;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// A variadic front for the callback: the only way to get a true `va_list` from Rust is to let C
/// code make one, and libc's `vdprintf` family only consumes them. So the state is laid out by hand
/// (System V ABI, AMD64 supplement, figure 3.34): no register argument left, all on the stack.
#[repr(C)]
struct VaListState {
    gp_offset: u32,
    fp_offset: u32,
    overflow_arg_area: *const u64,
    reg_save_area: *const u64,
}

#[derive(Clone, Default)]
struct Collect(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Collect {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        assert!(!line.0.contains("please panic"), "as asked");
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Calls the logger as `xtl_logv` does, with two arguments for the format: a string and a number.
fn log(level: u32, format: &str, string: &str, number: u64) -> Vec<String> {
    let string = CString::new(string).unwrap();
    let arguments = [string.as_ptr() as u64, number];
    let mut list = VaListState {
        gp_offset: 48,
        fp_offset: 176,
        overflow_arg_area: arguments.as_ptr(),
        reg_save_area: std::ptr::null(),
    };
    let format = CString::new(format).unwrap();
    let seen = Collect::default();
    tracing::subscriber::with_default(seen.clone(), || {
        // SAFETY: strings and a list with the arguments that the format names: made above.
        unsafe {
            (LOGGER.vmessage)(
                logger(),
                level,
                -1,
                c"xc".as_ptr(),
                format.as_ptr(),
                (&raw mut list).cast(),
            );
        }
    });
    seen.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
}

#[test]
fn a_message_is_formatted_with_its_arguments() {
    let seen = log(7, "domain %s has %lu pages\n", "seven", 12);
    assert_eq!(seen, [r#"WARN message=domain seven has 12 pages context="xc" errno=-1"#]);
}

#[test]
fn an_overlong_message_is_cut() {
    let seen = log(7, "%s %lu", &"x".repeat(5000), 1);
    let expected = "x".repeat(MESSAGE_BYTES - 1);
    assert_eq!(seen, [format!(r#"WARN message={expected} context="xc" errno=-1"#)]);
}

#[test]
fn a_panicking_subscriber_does_not_unwind_into_c() {
    assert_eq!(log(7, "%s %lu", "please panic", 1), Vec::<String>::new());
}
