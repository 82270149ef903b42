//! How often a run saves checkpoints, and how many it keeps.

/// Number of checkpoints that a run keeps unless its config says otherwise: the newest one, and the one before in case the
/// newest is damaged.
pub(super) const DEFAULT_KEEP: u64 = 2;

/// How often a run saves checkpoints, and how many it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointSettings {
    /// Number of steps between two checkpoints. One more is written after each epoch.
    pub every: u64,
    /// Number of checkpoints that are kept, at least 1.
    pub keep: u64,
}
