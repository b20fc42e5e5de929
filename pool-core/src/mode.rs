//! Whether a part acts.

/// Whether a part of a policy acts on what it decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is not asked at all.
    #[default]
    Off,
    /// It decides, counts and tells observers, and does nothing.
    Shadow,
    /// It acts.
    On,
}

impl Mode {
    /// Whether it decides anything.
    #[must_use]
    pub const fn is_asked(self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether what it decides is done.
    #[must_use]
    pub const fn acts(self) -> bool {
        matches!(self, Self::On)
    }
}
