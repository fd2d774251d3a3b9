//! From the names of owners and groups to their numbers.

use std::collections::BTreeMap;

use proto::Proto;

use super::read_text;
use crate::Error;
use crate::install::accounts::numbers;

/// The numbers of the owners and groups of an image, from its own `etc/passwd` and `etc/group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

/// Accounts that every illumos system has; for packages that come before the account files.
const SYSTEM_USERS: [(&str, u32); 11] = [
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("uucp", 5),
    ("lp", 71),
    ("nuucp", 9),
    ("nobody", 60001),
    ("noaccess", 60002),
    ("nobody4", 65534),
];

const SYSTEM_GROUPS: [(&str, u32); 15] = [
    ("root", 0),
    ("other", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("uucp", 5),
    ("mail", 6),
    ("tty", 7),
    ("lp", 8),
    ("nuucp", 9),
    ("staff", 10),
    ("daemon", 12),
    ("nobody", 60001),
    ("noaccess", 60002),
    ("nogroup", 65534),
];

/// The number of a user that every illumos system has.
pub fn system_uid(name: &str) -> Option<u32> {
    SYSTEM_USERS.iter().find(|(there, _)| *there == name).map(|(_, uid)| *uid)
}

/// The number of a group that every illumos system has.
pub fn system_gid(name: &str) -> Option<u32> {
    SYSTEM_GROUPS.iter().find(|(there, _)| *there == name).map(|(_, gid)| *gid)
}

impl Owners {
    /// Reads the account files of a proto. Where there is none, the accounts count that every
    /// illumos system has.
    pub fn read(proto: &Proto) -> Result<Self, Error> {
        let passwd = read_text(proto, "etc/passwd")?;
        let group = read_text(proto, "etc/group")?;
        Ok(Self::from_texts(passwd.as_deref(), group.as_deref()))
    }

    /// The same from the texts of the files.
    pub(crate) fn from_texts(passwd: Option<&str>, group: Option<&str>) -> Self {
        let system = |table: &[(&str, u32)]| {
            table.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
        };
        Self {
            users: passwd.map_or_else(|| system(&SYSTEM_USERS), |text| numbers(text, 7)),
            groups: group.map_or_else(|| system(&SYSTEM_GROUPS), |text| numbers(text, 4)),
        }
    }

    /// The number of a user.
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    /// The number of a group.
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }
}
