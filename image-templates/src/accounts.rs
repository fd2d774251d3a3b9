//! Owners and groups by name, as the image itself knows them.

use std::collections::BTreeMap;

use proto::{Proto, ProtoPath};

use crate::fields::{GROUPS, OWNERS};

/// The accounts of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads `etc/passwd` and `etc/group` of an image. Where a file is missing or a name not in
    /// it, the five owners and groups that every image has are known all the same.
    pub(crate) fn of(proto: &Proto) -> Result<Self, proto::Error> {
        let mut accounts = Self::default();
        let built_in = |table: [(&str, u32); 5]| table.map(|(name, id)| (name.to_owned(), id));
        accounts.users.extend(built_in(OWNERS));
        accounts.groups.extend(built_in(GROUPS));
        accounts.users.extend(names(&text(proto, "etc/passwd")?));
        accounts.groups.extend(names(&text(proto, "etc/group")?));
        Ok(accounts)
    }

    /// The number of an owner.
    pub(crate) fn user(&self, name: &str) -> Result<u32, String> {
        self.users.get(name).copied().ok_or_else(|| unknown("owner", name, "etc/passwd"))
    }

    /// The number of a group.
    pub(crate) fn group(&self, name: &str) -> Result<u32, String> {
        self.groups.get(name).copied().ok_or_else(|| unknown("group", name, "etc/group"))
    }
}

fn unknown(what: &str, name: &str, file: &str) -> String {
    format!("{what} `{name}` is not in the image's {file}")
}

fn text(proto: &Proto, path: &'static str) -> Result<String, proto::Error> {
    let path = ProtoPath::new(path)?;
    let found = proto.manifest.resolve_hardlink(&path);
    let Some((path, content)) = found.and_then(|(path, entry)| Some((path, entry.content()?)))
    else {
        return Ok(String::new());
    };
    Ok(String::from_utf8_lossy(&proto.contents.read(path, content)?).into_owned())
}

/// Name and third field of every line; the first line with a name counts, as for getpwnam(3C).
fn names(text: &str) -> BTreeMap<String, u32> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(name.to_owned()).or_insert(id);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd_and_group() {
        let passwd = names("root:x:0:0:Super-User:/root:/bin/sh\nntp:x:38:39\nroot:x:7:7\n#\n:");
        assert_eq!(
            passwd.into_iter().collect::<Vec<_>>(),
            [("ntp".into(), 38), ("root".into(), 0)]
        );
        assert_eq!(names("sys::3:root,bin")["sys"], 3);
    }
}
