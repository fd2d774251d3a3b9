//! The driver tables: `etc/name_to_major`, `etc/driver_aliases`, `etc/driver_classes`,
//! `etc/minor_perm`, `etc/security/device_policy`, `etc/security/extra_privs`, `etc/devlink.tab`.
//!
//! Edited as add_drv(8) and update_drv(8) do with `-b ROOT`: lines are appended, a minor node that
//! is listed already has its line rewritten, and a new driver takes the lowest major number that
//! neither `name_to_major` nor `rem_name_to_major` uses.

use std::collections::BTreeSet;

/// What a `driver` action says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Driver {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) perms: Vec<String>,
    pub(crate) clone_perms: Vec<String>,
    pub(crate) policies: Vec<String>,
    pub(crate) privileges: Vec<String>,
    pub(crate) devlinks: Vec<String>,
}

/// The tables, by their paths in the root. A table that is not there stays away until it is
/// needed, and then that is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DriverTables {
    pub(crate) name_to_major: Option<String>,
    pub(crate) rem_name_to_major: Option<String>,
    pub(crate) driver_aliases: Option<String>,
    pub(crate) driver_classes: Option<String>,
    pub(crate) minor_perm: Option<String>,
    pub(crate) device_policy: Option<String>,
    pub(crate) extra_privs: Option<String>,
    pub(crate) devlink_tab: Option<String>,
}

pub(crate) const NAME_TO_MAJOR: &str = "etc/name_to_major";
pub(crate) const REM_NAME_TO_MAJOR: &str = "etc/rem_name_to_major";
pub(crate) const DRIVER_ALIASES: &str = "etc/driver_aliases";
pub(crate) const DRIVER_CLASSES: &str = "etc/driver_classes";
pub(crate) const MINOR_PERM: &str = "etc/minor_perm";
pub(crate) const DEVICE_POLICY: &str = "etc/security/device_policy";
pub(crate) const EXTRA_PRIVS: &str = "etc/security/extra_privs";
pub(crate) const DEVLINK_TAB: &str = "etc/devlink.tab";

/// All of them.
pub(crate) const TABLES: [&str; 8] = [
    NAME_TO_MAJOR,
    REM_NAME_TO_MAJOR,
    DRIVER_ALIASES,
    DRIVER_CLASSES,
    MINOR_PERM,
    DEVICE_POLICY,
    EXTRA_PRIVS,
    DEVLINK_TAB,
];

impl DriverTables {
    /// Every table with its path.
    pub(crate) fn tables_mut(&mut self) -> [(&'static str, &mut Option<String>); 8] {
        [
            (NAME_TO_MAJOR, &mut self.name_to_major),
            (REM_NAME_TO_MAJOR, &mut self.rem_name_to_major),
            (DRIVER_ALIASES, &mut self.driver_aliases),
            (DRIVER_CLASSES, &mut self.driver_classes),
            (MINOR_PERM, &mut self.minor_perm),
            (DEVICE_POLICY, &mut self.device_policy),
            (EXTRA_PRIVS, &mut self.extra_privs),
            (DEVLINK_TAB, &mut self.devlink_tab),
        ]
    }

    /// Adds a driver, or brings one that is there up to date.
    pub(crate) fn install(&mut self, driver: &Driver) -> Result<(), String> {
        let name = &driver.name;
        check_word("name", name)?;
        self.assign_major(name)?;
        for alias in &driver.aliases {
            check_word("alias", alias.trim_matches('"'))?;
            let line = format!("{name} \"{}\"", alias.trim_matches('"'));
            add_line(table(&mut self.driver_aliases, DRIVER_ALIASES)?, &line);
        }
        // pkg hands all classes over as one list, separated by blanks.
        for class in driver.classes.iter().flat_map(|classes| classes.split_whitespace()) {
            let line = format!("{name}\t{class}");
            add_line(table(&mut self.driver_classes, DRIVER_CLASSES)?, &line);
        }
        for perm in driver.perms.iter().flat_map(|perms| perms.split(',')) {
            set_minor(table(&mut self.minor_perm, MINOR_PERM)?, name, perm)?;
        }
        if !driver.policies.is_empty() {
            let policy = table(&mut self.device_policy, DEVICE_POLICY)?;
            for line in policy_lines(name, &driver.policies.join(" "))? {
                let node = line.split('\t').next().unwrap_or_default().to_owned();
                replace_line(policy, &line, |there| {
                    there.split_whitespace().next() == Some(node.as_str())
                });
            }
        }
        for privilege in driver.privileges.iter().flat_map(|list| list.split(',')) {
            let line = format!("{name}:{}", privilege.trim());
            add_line(table(&mut self.extra_privs, EXTRA_PRIVS)?, &line);
        }
        for perm in &driver.clone_perms {
            // `MODE OWNER GROUP` alone is for the minor node of the driver's own name.
            let perm = match perm.split_whitespace().count() {
                3 => format!("{name} {perm}"),
                _ => perm.clone(),
            };
            set_minor(table(&mut self.minor_perm, MINOR_PERM)?, "clone", &perm)?;
        }
        for devlink in &driver.devlinks {
            let line = devlink.replace("\\t", "\t");
            add_line(table(&mut self.devlink_tab, DEVLINK_TAB)?, &line);
        }
        Ok(())
    }

    /// Takes a driver out of every table; its major number stays reserved in
    /// `rem_name_to_major` if that file is there.
    pub(crate) fn remove(&mut self, driver: &Driver) {
        let name = driver.name.as_str();
        let major = self.name_to_major.as_deref().and_then(|text| {
            rows(text)
                .find(|row| row.first() == Some(&name))
                .and_then(|r| Some(r.get(1)?.to_string()))
        });
        if let (Some(major), Some(removed)) = (major, &mut self.rem_name_to_major) {
            add_line(removed, &format!("{name} {major}"));
        }
        for (table, end) in [
            (&mut self.name_to_major, [' ', '\t']),
            (&mut self.driver_aliases, [' ', '\t']),
            (&mut self.driver_classes, [' ', '\t']),
            (&mut self.minor_perm, [':', ':']),
            (&mut self.device_policy, [':', ':']),
            (&mut self.extra_privs, [':', ':']),
        ] {
            if let Some(text) = table {
                retain(text, |line| line.split(end).next() != Some(name));
            }
        }
        if let Some(text) = &mut self.minor_perm {
            for perm in &driver.clone_perms {
                let mut words = perm.split_whitespace();
                let minor = match words.clone().count() {
                    3 => name,
                    _ => words.next().unwrap_or_default(),
                };
                let node = format!("clone:{minor}");
                retain(text, |line| line.split_whitespace().next() != Some(node.as_str()));
            }
        }
        if let Some(text) = &mut self.devlink_tab {
            let ours: BTreeSet<String> =
                driver.devlinks.iter().map(|line| line.replace("\\t", "\t")).collect();
            retain(text, |line| !ours.contains(line));
        }
    }

    fn assign_major(&mut self, name: &str) -> Result<(), String> {
        let mut used = BTreeSet::new();
        let mut before = None;
        for row in self.rem_name_to_major.as_deref().map(rows).into_iter().flatten() {
            if let [driver, major, ..] = row[..]
                && let Ok(major) = major.parse::<u32>()
            {
                used.insert(major);
                if driver == name {
                    before = Some(major);
                }
            }
        }
        let majors = table(&mut self.name_to_major, NAME_TO_MAJOR)?;
        for row in rows(majors) {
            if let [driver, major, ..] = row[..] {
                if driver == name {
                    return Ok(());
                }
                used.extend(major.parse::<u32>().ok());
            }
        }
        let major = match before {
            Some(major) => major,
            None => (0..).find(|major| !used.contains(major)).unwrap_or_default(),
        };
        add_line(majors, &format!("{name} {major}"));
        if let (Some(_), Some(removed)) = (before, &mut self.rem_name_to_major) {
            retain(removed, |line| line.split_whitespace().next() != Some(name));
        }
        Ok(())
    }
}

fn table<'a>(table: &'a mut Option<String>, path: &str) -> Result<&'a mut String, String> {
    table.as_mut().ok_or_else(|| format!("{path} is missing, so the driver cannot be entered"))
}

/// The words of each line, without comments, blank lines and quotes.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_whitespace().map(|word| word.trim_matches('"')).collect::<Vec<_>>())
        .filter(|row| !row.is_empty())
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Appends a line unless it is there.
fn add_line(text: &mut String, line: &str) {
    if text.lines().any(|there| there == line) {
        return;
    }
    end_line(text);
    text.push_str(line);
    text.push('\n');
}

/// Puts a line in the place of the first that matches, or at the end.
fn replace_line(text: &mut String, line: &str, matches: impl Fn(&str) -> bool) {
    if !text.lines().any(|there| !there.starts_with('#') && matches(there)) {
        return add_line(text, line);
    }
    let mut done = false;
    let mut new = String::with_capacity(text.len() + line.len());
    for there in text.lines() {
        if !done && !there.starts_with('#') && matches(there) {
            new.push_str(line);
            done = true;
        } else {
            new.push_str(there);
        }
        new.push('\n');
    }
    *text = new;
}

fn retain(text: &mut String, keep: impl Fn(&str) -> bool) {
    let kept: String = text
        .lines()
        .filter(|line| line.starts_with('#') || keep(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    *text = kept;
}

/// Sets the line of a minor node: `DRIVER:MINOR MODE OWNER GROUP`.
fn set_minor(text: &mut String, driver: &str, perm: &str) -> Result<(), String> {
    let words: Vec<&str> = perm.split_whitespace().collect();
    let [minor, mode, owner, group] = words[..] else {
        return Err(format!("permission `{perm}` is not `MINOR MODE OWNER GROUP`"));
    };
    if u32::from_str_radix(mode, 8).is_err() {
        return Err(format!("permission `{perm}`: mode `{mode}` is not octal"));
    }
    let node = format!("{driver}:{minor}");
    let line = format!("{node} {mode} {owner} {group}");
    replace_line(text, &line, |there| there.split_whitespace().next() == Some(node.as_str()));
    Ok(())
}

/// `DRIVER:MINOR<tab>TOKEN=VALUE<tab>…`, one line a minor node; without one `*` is meant.
fn policy_lines(driver: &str, policies: &str) -> Result<Vec<String>, String> {
    let mut lines: Vec<String> = Vec::new();
    for word in policies.split_whitespace() {
        if !word.contains('=') {
            if word.contains(':') {
                return Err(format!("policy `{policies}`: minor node `{word}` holds a `:`"));
            }
            lines.push(format!("{driver}:{word}"));
            continue;
        }
        if lines.is_empty() {
            lines.push(format!("{driver}:*"));
        }
        if let Some(line) = lines.last_mut() {
            line.push('\t');
            line.push_str(word);
        }
    }
    match lines.iter().find(|line| !line.contains('\t')) {
        Some(_) => Err(format!("policy `{policies}` names a minor node without a policy")),
        None => Ok(lines),
    }
}

fn check_word(what: &str, word: &str) -> Result<(), String> {
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(format!("{what} `{}` is not a single word", word.escape_debug()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> DriverTables {
        DriverTables {
            name_to_major: Some("cn 0\nclone 11\n".into()),
            driver_aliases: Some("# driver_aliases\n".into()),
            driver_classes: Some(String::new()),
            minor_perm: Some("# minor_perm\n".into()),
            device_policy: Some(String::new()),
            extra_privs: Some(String::new()),
            ..DriverTables::default()
        }
    }

    fn igb() -> Driver {
        Driver {
            name: "igb".into(),
            aliases: vec!["pciex8086,10a7".into(), "pciex8086,10a9".into()],
            classes: vec!["net".into()],
            perms: vec!["* 0666 root sys".into()],
            clone_perms: vec!["0666 root sys".into()],
            policies: vec!["read_priv_set=net_rawaccess write_priv_set=net_rawaccess".into()],
            privileges: vec!["net_special".into()],
            devlinks: vec![],
        }
    }

    #[test]
    fn a_driver_goes_into_every_table_and_out_again() {
        let mut tables = self::tables();
        tables.install(&igb()).unwrap();
        assert_eq!(tables.name_to_major.as_deref(), Some("cn 0\nclone 11\nigb 1\n"));
        assert_eq!(
            tables.driver_aliases.as_deref(),
            Some("# driver_aliases\nigb \"pciex8086,10a7\"\nigb \"pciex8086,10a9\"\n")
        );
        assert_eq!(tables.driver_classes.as_deref(), Some("igb\tnet\n"));
        assert_eq!(
            tables.minor_perm.as_deref(),
            Some("# minor_perm\nigb:* 0666 root sys\nclone:igb 0666 root sys\n")
        );
        assert_eq!(
            tables.device_policy.as_deref(),
            Some("igb:*\tread_priv_set=net_rawaccess\twrite_priv_set=net_rawaccess\n")
        );
        assert_eq!(tables.extra_privs.as_deref(), Some("igb:net_special\n"));
        let once = tables.clone();
        tables.install(&igb()).unwrap();
        assert_eq!(tables, once, "installing twice changes nothing");
        tables.remove(&igb());
        assert_eq!(tables, self::tables());
    }

    #[test]
    fn a_removed_driver_gets_its_number_back() {
        let mut tables = tables();
        tables.rem_name_to_major = Some("old 1\nigb 4\n".into());
        tables.install(&igb()).unwrap();
        assert!(tables.name_to_major.as_deref().is_some_and(|t| t.ends_with("igb 4\n")));
        assert_eq!(tables.rem_name_to_major.as_deref(), Some("old 1\n"));
        let other = Driver { name: "new".into(), ..Driver::default() };
        tables.install(&other).unwrap();
        assert!(tables.name_to_major.as_deref().is_some_and(|t| t.ends_with("new 2\n")));
    }

    #[test]
    fn a_changed_permission_takes_the_place_of_the_old_one() {
        let mut tables = tables();
        tables.install(&igb()).unwrap();
        let mut changed = igb();
        changed.perms = vec!["* 0600 root root".into()];
        tables.install(&changed).unwrap();
        assert_eq!(
            tables.minor_perm.as_deref(),
            Some("# minor_perm\nigb:* 0600 root root\nclone:igb 0666 root sys\n")
        );
    }

    #[test]
    fn what_cannot_be_entered_is_said() {
        let mut bad = igb();
        bad.perms = vec!["* rw root sys".into()];
        assert!(tables().install(&bad).unwrap_err().contains("not octal"));
        bad = igb();
        bad.policies = vec!["minor".into()];
        assert!(tables().install(&bad).unwrap_err().contains("without a policy"));
        bad = igb();
        bad.name = "a b".into();
        assert!(tables().install(&bad).is_err());
        let mut none = DriverTables::default();
        assert!(none.install(&igb()).unwrap_err().contains("etc/name_to_major is missing"));
    }
}
