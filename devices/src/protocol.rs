//! How a ring is laid out, which old frontends expect to be told.

/// How the words of a ring are laid out (`io/protocols.h`): PV frontends before Linux 2.6.26 expect
/// the toolstack to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// 32 bits on x86.
    X86_32,
    /// 64 bits on x86.
    X86_64,
    /// Arm, of either width.
    Arm,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X86_32 => "x86_32-abi",
            Self::X86_64 => "x86_64-abi",
            Self::Arm => "arm-abi",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::X86_32, Self::X86_64, Self::Arm].into_iter().find(|known| known.name() == name)
    }
}
