//! How backends behave.

/// How a backend behaves: as Linux's do, or in one way that a toolstack has to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Back {
    /// As Linux's blkback and netback.
    #[default]
    Sound,
    /// No driver ever looks at the device.
    Absent,
    /// An interface comes a while after the driver has taken the device (`InitWait`).
    IsLate,
    /// The driver goes away when it has said what it offers (`InitWait`).
    DiesInHandshake,
    /// It says that it failed, and closes.
    Fails,
    /// It is `Connected` at once, whatever the other end is.
    SkipsStates,
    /// It closes without being asked once it is connected.
    ClosesByItself,
    /// It takes the device and never lets go, whatever is asked.
    NeverCloses,
    /// Its state is no number.
    WritesNonsense,
    /// It says that its frontend is another domain's.
    LiesAboutFrontend,
    /// It says that it shall stay when it is asked to go, and does not.
    StaysOnline,
    /// In place of a script it says that something failed.
    Complains,
    /// Each of its words is as long as the store takes.
    WritesLarge,
}
