//! What a connection carries.

use crate::settings::Settings;

/// What sessions have left on a connection, kept beside it by its adapter.
///
/// The label says what is true of the connection at this moment, or the connection is closed: there
/// is no third case. Whoever resets the connection [clears](Self::clear) it.
#[derive(Debug, Default)]
pub struct Label {
    settings: Settings,
    open: bool,
    awaits_rollback: bool,
}

impl Label {
    /// The label of a connection as it was opened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no settings differ from those that the connection was opened with. While the label is
    /// [open](Self::is_open) that says what was there when the session came.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.settings.is_empty()
    }

    /// The settings that differ from those that the connection was opened with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The connection was reset.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether a session is on the connection, or has left it without saying what it left: the
    /// connection must be reset before anybody else gets it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether a session has left it in a transaction, and a rollback is all that is to be undone:
    /// [settings](Self::settings) says what is there behind it. The label is open until then, and who
    /// knows nothing of this resets the connection.
    #[must_use]
    pub const fn awaits_rollback(&self) -> bool {
        self.awaits_rollback
    }

    /// The rollback that it [awaited](Self::awaits_rollback) was done.
    pub fn rolled_back(&mut self) {
        if std::mem::take(&mut self.awaits_rollback) {
            self.open = false;
        }
    }

    pub(crate) const fn open(&mut self) {
        self.open = true;
        self.awaits_rollback = false;
    }

    pub(crate) fn stamp_behind_rollback(&mut self, settings: Settings) {
        self.stamp(settings);
        (self.open, self.awaits_rollback) = (true, true);
    }

    pub(crate) fn stamp(&mut self, settings: Settings) {
        self.settings = settings;
        self.open = false;
    }
}
