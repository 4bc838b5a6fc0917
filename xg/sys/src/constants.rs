//! Numbers of `tools/include/xenguest.h` that calls take or callbacks answer.

use xenctrl_sys::DeclaredConstant;

xenctrl_sys::constants! {
    /// Save while the domain runs, for as long as that pays.
    XCFLAGS_LIVE: u32 = 1 << 0;
    /// Send all memory once more, for the other end to compare.
    XCFLAGS_DEBUG: u32 = 1 << 1;

    /// A stream that ends with the domain's state.
    XC_STREAM_PLAIN: u32 = 0;
    /// A stream of one state after another, until its end or that of its sender.
    XC_STREAM_REMUS: u32 = 1;

    /// Give up.
    XGS_POLICY_ABORT: i32 = -1;
    /// Send what was written meanwhile, while the domain runs.
    XGS_POLICY_CONTINUE_PRECOPY: i32 = 0;
    /// Suspend the domain and send the rest.
    XGS_POLICY_STOP_AND_COPY: i32 = 1;

    /// The stream has no CPUID policy.
    XGR_SDD_MISSING_CPUID: u32 = 1 << 0;
    /// The stream has no policy of model-specific registers.
    XGR_SDD_MISSING_MSR: u32 = 1 << 1;

    /// Give up.
    XGR_CHECKPOINT_ERROR: i32 = 0;
    /// Read on.
    XGR_CHECKPOINT_SUCCESS: i32 = 1;
    /// Run the domain from its last state.
    XGR_CHECKPOINT_FAILOVER: i32 = 2;
}

/// Every constant that is declared.
pub fn declared_constants() -> &'static [DeclaredConstant] {
    CONSTANTS
}
