//! `xenops-sim`: see the library of this package.

fn main() -> std::process::ExitCode {
    xenops_sim::run(std::io::stdin().lock())
}
