//! The account files: `etc/passwd`, `etc/shadow`, `etc/group` and `etc/ftpd/ftpusers`.
//!
//! Lines are kept as they are, in their order, and only the line of the account in question is
//! changed or added at the end: what pkg(7) does. Lines that are not accounts (other numbers of
//! fields, `+`/`-` lines, comments) are passed over and kept.

use std::collections::BTreeMap;

/// One line-oriented file whose lines are separated into a fixed number of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    lines: Vec<String>,
    separator: char,
    fields: usize,
    comments: &'static [char],
}

impl Table {
    fn parse(text: &str, separator: char, fields: usize, comments: &'static [char]) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect(), separator, fields, comments }
    }

    fn print(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn split<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        if line.starts_with(self.comments) {
            return None;
        }
        let fields: Vec<&str> = line.split(self.separator).collect();
        (fields.len() == self.fields).then_some(fields)
    }

    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.lines.iter().filter_map(|line| self.split(line))
    }

    fn get(&self, key: &str) -> Option<Vec<&str>> {
        self.rows().filter(|fields| fields[0] == key).last()
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.lines.iter().rposition(|line| self.split(line).is_some_and(|fields| fields[0] == key))
    }

    fn set(&mut self, fields: &[&str]) {
        let line = fields.join(&self.separator.to_string());
        match self.position(fields[0]) {
            Some(at) => self.lines[at] = line,
            None => self.lines.push(line),
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(at) = self.position(key) {
            self.lines.remove(at);
        }
    }

    /// The lowest number that no row has in a field, of those that are given out.
    fn next_free(&self, field: usize) -> Option<u32> {
        (100..500).find(|number| !self.rows().any(|row| row[field] == number.to_string()))
    }
}

/// What a `user` action says: its single-valued attributes and its `group-list`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) groups: Vec<String>,
}

impl User {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(crate) fn name(&self) -> &str {
        self.get("username").unwrap_or_default()
    }
}

/// Names of the shadow fields in the order of the file, with what they hold if nothing is said.
const SHADOW: [(&str, &str); 9] = [
    ("username", ""),
    ("password", "*LK*"),
    ("lastchg", ""),
    ("min", ""),
    ("max", ""),
    ("warn", ""),
    ("inactive", ""),
    ("expire", ""),
    ("flag", ""),
];

/// Names of the passwd fields in the order of the file, with what they hold if nothing is said.
const PASSWD: [(&str, &str); 7] = [
    ("username", ""),
    ("password", "x"),
    ("uid", ""),
    ("gid", ""),
    ("gcos-field", "& User"),
    ("home-dir", "/"),
    ("login-shell", ""),
];

/// The four account files of one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accounts {
    passwd: Table,
    shadow: Table,
    group: Table,
    ftpusers: Table,
}

impl Accounts {
    pub(crate) fn parse(passwd: &str, shadow: &str, group: &str, ftpusers: &str) -> Self {
        Self {
            passwd: Table::parse(passwd, ':', 7, &['+', '-']),
            shadow: Table::parse(shadow, ':', 9, &['+', '-']),
            group: Table::parse(group, ':', 4, &['+', '-']),
            ftpusers: Table::parse(ftpusers, ' ', 1, &['#']),
        }
    }

    pub(crate) fn passwd(&self) -> String {
        self.passwd.print()
    }

    pub(crate) fn shadow(&self) -> String {
        self.shadow.print()
    }

    pub(crate) fn group(&self) -> String {
        self.group.print()
    }

    pub(crate) fn ftpusers(&self) -> String {
        self.ftpusers.print()
    }

    /// Adds a group, or gives an existing one another number (and its members with it).
    pub(crate) fn set_group(&mut self, name: &str, gid: Option<&str>) -> Result<(), String> {
        check_field("groupname", name)?;
        let there = self.group.get(name).map(|row| (row[2].to_owned(), row[3].to_owned()));
        let gid = match (gid, &there) {
            (Some(gid), _) => number("gid", gid)?.to_string(),
            (None, Some((gid, _))) => gid.clone(),
            (None, None) => self
                .group
                .next_free(2)
                .ok_or("no group number from 100 to 499 is free")?
                .to_string(),
        };
        let members = match there {
            Some((old, members)) => {
                if old != gid {
                    for row in &mut self.passwd.lines {
                        let mut fields: Vec<&str> = row.split(':').collect();
                        if fields.len() == 7 && fields[3] == old {
                            fields[3] = &gid;
                            *row = fields.join(":");
                        }
                    }
                }
                members
            }
            None => String::new(),
        };
        self.group.set(&[name, "", &gid, &members]);
        Ok(())
    }

    /// Takes a group out.
    pub(crate) fn remove_group(&mut self, name: &str) {
        self.group.remove(name);
    }

    /// Adds a user or brings its lines up to date. `old` is what the package said before; `today`
    /// is the date of a password set now, in days since the epoch.
    pub(crate) fn set_user(
        &mut self,
        user: &User,
        old: Option<&User>,
        today: i64,
    ) -> Result<(), String> {
        let name = user.name();
        check_field("username", name)?;
        let group = user.get("group").ok_or("has no `group`")?;
        let gid = self.group.get(group).ok_or_else(|| format!("group `{group}` is unknown"))?[2]
            .to_owned();
        let mut wanted = user.attributes.clone();
        wanted.insert("gid".into(), gid);
        for (field, default) in PASSWD.iter().chain(&SHADOW) {
            // Numbers and dates have no fixed default.
            if !matches!(*field, "username" | "password" | "uid" | "gid" | "lastchg") {
                wanted.entry((*field).to_owned()).or_insert_with(|| (*default).to_owned());
            }
        }
        wanted.entry("password".into()).or_insert_with(|| "*LK*".to_owned());
        let on_disk = self.user_on_disk(name);
        for (field, there) in on_disk {
            let ours = wanted.get(&field);
            let admin_owns = matches!(
                field.as_str(),
                "password" | "lastchg" | "min" | "max" | "expire" | "flag" | "warn" | "inactive"
            );
            if ours.is_some() && !admin_owns {
                continue;
            }
            if old.is_some_and(|old| old.get(&field) == Some(&there)) {
                continue;
            }
            if field == "password" && matches!(ours.map(String::as_str), Some("NP" | "*LK*")) {
                continue;
            }
            wanted.insert(field, there);
        }
        if let Some(uid) = wanted.get("uid") {
            number("uid", uid)?;
        } else {
            let uid = self.passwd.next_free(2).ok_or("no user number from 100 to 499 is free")?;
            wanted.insert("uid".into(), uid.to_string());
        }
        wanted.entry("lastchg".into()).or_insert_with(|| today.to_string());
        for (field, value) in &wanted {
            check_field(field, value)?;
        }
        let value = |field: &str| wanted.get(field).map_or("", String::as_str);
        let mut passwd: Vec<&str> = PASSWD.iter().map(|(field, _)| value(field)).collect();
        passwd[1] = "x";
        let shadow: Vec<&str> = SHADOW.iter().map(|(field, _)| value(field)).collect();
        self.passwd.set(&passwd);
        self.shadow.set(&shadow);
        self.set_memberships(name, &user.groups)?;
        let may_ftp = value("ftpuser") != "false";
        match (may_ftp, self.ftpusers.get(name).is_some()) {
            (false, false) => self.ftpusers.set(&[name]),
            (true, true) => self.ftpusers.remove(name),
            _ => {}
        }
        Ok(())
    }

    /// Takes a user out of all four files.
    pub(crate) fn remove_user(&mut self, name: &str) {
        self.passwd.remove(name);
        self.shadow.remove(name);
        self.ftpusers.remove(name);
        // No groups to be in: this cannot fail.
        let _ = self.set_memberships(name, &[]);
    }

    fn user_on_disk(&self, name: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (table, names) in [(&self.passwd, &PASSWD[..]), (&self.shadow, &SHADOW[..])] {
            if let Some(row) = table.get(name) {
                for ((field, _), value) in names.iter().zip(row) {
                    found.insert((*field).to_owned(), value.to_owned());
                }
            }
        }
        found
    }

    fn set_memberships(&mut self, name: &str, groups: &[String]) -> Result<(), String> {
        for group in groups {
            if self.group.get(group).is_none() {
                return Err(format!("group `{group}` of its group-list is unknown"));
            }
        }
        for line in &mut self.group.lines {
            let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
            if fields.len() != 4 || line.starts_with(['+', '-']) {
                continue;
            }
            let mut members: Vec<&str> =
                fields[3].split([',', ' ']).filter(|member| !member.is_empty()).collect();
            let is_member = members.contains(&name);
            let should_be = groups.contains(&fields[0]);
            if is_member == should_be {
                continue;
            }
            if should_be {
                members.push(name);
            } else {
                members.retain(|member| *member != name);
            }
            fields[3] = members.join(",");
            *line = fields.join(":");
        }
        Ok(())
    }
}

/// The name→number map of a passwd or group file: the third field, whatever follows.
pub(crate) fn numbers(text: &str, fields: usize) -> BTreeMap<String, u32> {
    let mut map = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['+', '-', '#'])) {
        let row: Vec<&str> = line.split(':').collect();
        if row.len() == fields
            && let Ok(number) = row[2].parse()
        {
            map.entry(row[0].to_owned()).or_insert(number);
        }
    }
    map
}

fn check_field(field: &str, value: &str) -> Result<(), String> {
    if value.contains([':', '\n', '\0']) {
        return Err(format!("{field} `{}` holds a `:` or a line end", value.escape_debug()));
    }
    if value.is_empty() && matches!(field, "username" | "groupname") {
        return Err(format!("{field} is empty"));
    }
    Ok(())
}

fn number(field: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{field} `{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(attributes: &[(&str, &str)], groups: &[&str]) -> User {
        User {
            attributes: attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        }
    }

    fn accounts() -> Accounts {
        Accounts::parse(
            "root:x:0:0:Super-User:/root:/usr/bin/bash\n+nis\n",
            "root:*LK*:6445::::::\n",
            "root::0:\nother::1:root\nstaff::10:\n",
            "# who may not\nroot\n",
        )
    }

    #[test]
    fn a_new_user_is_appended_as_pkg_does() {
        let mut files = accounts();
        files.set_group("netadm", Some("65")).unwrap();
        let netadm = user(
            &[
                ("username", "netadm"),
                ("uid", "16"),
                ("group", "netadm"),
                ("gcos-field", "Network Admin"),
                ("home-dir", "/var/adm"),
                ("login-shell", ""),
                ("password", "NP"),
                ("ftpuser", "false"),
            ],
            &["staff"],
        );
        files.set_user(&netadm, None, 20777).unwrap();
        assert!(files.passwd().ends_with("+nis\nnetadm:x:16:65:Network Admin:/var/adm:\n"));
        assert!(files.shadow().ends_with("netadm:NP:20777::::::\n"));
        assert!(files.group().ends_with("staff::10:netadm\nnetadm::65:\n"));
        assert!(files.ftpusers().ends_with("root\nnetadm\n"));
        files.remove_user("netadm");
        files.remove_group("netadm");
        assert_eq!(files, accounts());
    }

    #[test]
    fn what_the_administrator_set_stays() {
        let mut files = accounts();
        let root = user(&[("username", "root"), ("group", "root"), ("uid", "0")], &["other"]);
        files.set_user(&root, None, 20777).unwrap();
        assert_eq!(files.shadow(), "root:*LK*:6445::::::\n");
        assert!(files.passwd().starts_with("root:x:0:0:& User:/:\n"));
        assert_eq!(files.ftpusers(), "# who may not\n", "the action allows ftp");
    }

    #[test]
    fn free_numbers_are_found_and_bad_values_refused() {
        let mut files = accounts();
        files.set_group("first", None).unwrap();
        assert!(files.group().contains("first::100:\n"));
        let new = user(&[("username", "u"), ("group", "first")], &[]);
        files.set_user(&new, None, 1).unwrap();
        assert!(files.passwd().contains("u:x:100:100:& User:/:\n"));
        for (field, value) in [("gcos-field", "a:b"), ("home-dir", "/x\nroot::0:0"), ("uid", "x")] {
            let bad = user(&[("username", "v"), ("group", "first"), (field, value)], &[]);
            assert!(files.set_user(&bad, None, 1).is_err(), "{field}");
        }
        let lost = user(&[("username", "v"), ("group", "nobody-knows")], &[]);
        assert_eq!(files.set_user(&lost, None, 1).unwrap_err(), "group `nobody-knows` is unknown");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_other_lines_stay(
            text in "([a-z+#-]?(:?[a-z0-9]?){0,9}\n){0,6}",
            name in "[a-z:]{0,3}",
        ) {
            let mut files = Accounts::parse(&text, &text, &text, &text);
            let before = files.clone();
            prop_assert_eq!(files.passwd(), text);
            let _ = files.set_group(&name, None);
            let _ = files.set_user(&user(&[("username", &name), ("group", &name)], &[]), None, 1);
            let lines = |text: String| text.lines().count();
            prop_assert!(lines(files.passwd()) <= lines(before.passwd()) + 1);
        }
    }

    #[test]
    fn a_group_that_moves_takes_its_members_along() {
        let mut files = accounts();
        files.set_group("root", Some("7")).unwrap();
        assert!(files.passwd().starts_with("root:x:0:7:"));
        assert!(files.group().starts_with("root::7:\n"));
    }
}
