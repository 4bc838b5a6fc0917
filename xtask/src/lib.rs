//! The project's own commands: demo, test, check, lab, deps.
