//! Exit statuses as zoneadm reads them.

/// How the hook program ends.
///
/// zoneadmd reads status 4 as "could not be executed", so no hook may ever end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 253: zoneadm adds its usage text for the subcommand.
    Usage,
    /// 254: not done and nothing left behind. After an installation that ends like this zoneadm
    /// empties the zonepath and takes the zone back to the configured state.
    NotComplete,
    /// 255: not done, and an administrator has to look. The zone stays incomplete.
    Fatal,
}

impl Exit {
    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Usage => 253,
            Exit::NotComplete => 254,
            Exit::Fatal => 255,
        }
    }
}
