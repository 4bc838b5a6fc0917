//! The `xenops` command.

fn main() -> std::process::ExitCode {
    xenops_cli::run(std::env::args_os(), xenops::Host::open)
}
