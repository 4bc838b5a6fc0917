//! `cargo xtask bench devices`: attaching and detaching, measured against `xl` in dom0 of a lab.

use std::process::ExitCode;

use anyhow::Result;

use super::in_lab::InLab;

pub(super) fn run(options: &InLab, only: Option<&str>) -> Result<ExitCode> {
    let only = only.map_or_else(String::new, |words| format!("'--only={words}'"));
    options.run("devices-table", &[], &only, &|line| eprintln!("bench devices: {line}"))
}
