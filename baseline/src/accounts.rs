//! The account files, before packages added their users and groups.
//!
//! A package delivers `etc/passwd` and its like, and `user` and `group` actions then add lines to
//! them. A fresh zone begins with the packaged files again and only gets the accounts of its own
//! packages. Usually the proto's files without the added lines are the packaged ones, which their
//! hashes prove, so that no origin is needed.

use std::collections::{BTreeMap, BTreeSet};

use ips::{Action, ActionKind, Image};
use proto::{Proto, ProtoPath};

use crate::Error;

const PASSWD: &str = "etc/passwd";
pub(crate) const SHADOW: &str = "etc/shadow";
const GROUP: &str = "etc/group";
const FTPUSERS: &str = "etc/ftpd/ftpusers";

/// The proto's account files without what its packages' actions added.
#[derive(Default)]
pub(crate) struct Pristine(BTreeMap<&'static str, Vec<u8>>);

impl Pristine {
    pub(crate) fn read(proto: &Proto, image: &Image) -> Result<Self, Error> {
        let names = |kind: ActionKind| -> BTreeSet<&str> {
            image
                .actions()
                .filter(|(_, action)| action.kind == kind)
                .filter_map(|(_, action)| action.key())
                .collect()
        };
        let users = names(ActionKind::User);
        let groups = names(ActionKind::Group);
        let mut files = BTreeMap::new();
        for (path, added) in
            [(PASSWD, &users), (SHADOW, &users), (GROUP, &groups), (FTPUSERS, &users)]
        {
            let Some(text) = read(proto, path)? else { continue };
            let kept: Vec<u8> = text
                .split_inclusive(|&b| b == b'\n')
                .filter(|line| {
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let name = line.split(|&b| b == b':').next().unwrap_or_default();
                    !std::str::from_utf8(name).is_ok_and(|name| added.contains(name))
                })
                .flatten()
                .copied()
                .collect();
            files.insert(path, kept);
        }
        Ok(Self(files))
    }

    /// The file at a path, if it is an account file.
    pub(crate) fn of(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }
}

/// When the passwords of the proto's accounts were last set, by name, in days since the epoch.
///
/// pkg(7) writes today's date for a new account that its action gives none. The date of the
/// proto's account stands in for it, so that no clock is asked.
pub(crate) fn password_dates(proto: &Proto) -> Result<BTreeMap<String, String>, Error> {
    let text = read(proto, SHADOW)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let rows = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    Ok(rows
        .filter(|row| row.len() == 9 && row[2].bytes().all(|b| b.is_ascii_digit()))
        .filter(|row| !row[2].is_empty())
        .map(|row| (row[0].to_owned(), row[2].to_owned()))
        .collect())
}

/// Gives a `user` action without date the date of a password set before, or the day of a time.
pub(crate) fn date_password(action: &mut Action, dates: &BTreeMap<String, String>, epoch: i64) {
    if action.attributes.contains("lastchg") {
        return;
    }
    let date = match action.key().and_then(|name| dates.get(name)) {
        Some(date) => date.clone(),
        None => epoch.div_euclid(24 * 60 * 60).to_string(),
    };
    action.attributes.set("lastchg", date);
}

/// A shadow file in which nobody can log in as root with a password.
pub(crate) fn without_root_password(shadow: &str) -> Result<String, Error> {
    let refuse =
        |line, problem: &str| Error::Accounts { path: SHADOW, line, problem: problem.to_owned() };
    let mut text = String::with_capacity(shadow.len());
    let mut found = false;
    for (number, line) in shadow.lines().enumerate() {
        let mut fields: Vec<&str> = line.split(':').collect();
        if fields.len() != 9 {
            return Err(refuse(Some(number + 1), "this line has not 9 fields"));
        }
        if fields[0] == "root" {
            fields[1] = "NP";
            found = true;
        }
        text.push_str(&fields.join(":"));
        text.push('\n');
    }
    if found { Ok(text) } else { Err(refuse(None, "there is no line for root")) }
}

/// The whole of a small file of a proto, if it is there.
pub(crate) fn read(proto: &Proto, path: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = ProtoPath::new(path).map_err(proto::Error::from)?;
    let Some((path, entry)) = proto.manifest.resolve_hardlink(&path) else { return Ok(None) };
    let Some(content) = entry.content() else { return Ok(None) };
    Ok(Some(proto.contents.read(path, content)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_gets_no_password_and_the_rest_stays() {
        let shadow = "root:$5$x:6445::::::\ndaemon:NP:6445::::::\n";
        assert_eq!(
            without_root_password(shadow).unwrap(),
            "root:NP:6445::::::\ndaemon:NP:6445::::::\n"
        );
        let error = |text| without_root_password(text).unwrap_err().to_string();
        assert_eq!(error("daemon:NP:1::::::\n"), "etc/shadow: there is no line for root");
        assert_eq!(error("root:NP:1\n"), "etc/shadow:1: this line has not 9 fields");
    }

    #[test]
    fn dates_come_from_the_proto_then_from_the_time_given() {
        let dates = [("sshd".to_owned(), "20777".to_owned())].into();
        let date = |text: &str| {
            let mut action = Action::parse(text).unwrap();
            date_password(&mut action, &dates, 86400 * 3 + 5);
            action.get("lastchg").unwrap().to_owned()
        };
        assert_eq!(date("user username=sshd group=sys"), "20777");
        assert_eq!(date("user username=new group=sys"), "3");
        assert_eq!(date("user username=sshd group=sys lastchg=1"), "1");
    }
}
