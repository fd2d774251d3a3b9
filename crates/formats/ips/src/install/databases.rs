//! Users, groups, drivers, legacy packages and licenses: actions that edit files of the image.

use std::collections::BTreeMap;

use proto::ProtoPath;

use super::accounts::{Accounts, User};
use super::delivery::{Delivered, Delivery};
use super::drivers::{Driver, DriverTables};
use super::fetch::Payloads;
use super::stage::Stage;
use crate::image::ImageConfig;
use crate::{Action, ActionKind, Error, Manifest, Timestamp, Variants, quote};

const PASSWD: &str = "etc/passwd";
const SHADOW: &str = "etc/shadow";
const GROUP: &str = "etc/group";
const FTPUSERS: &str = "etc/ftpd/ftpusers";
/// All four account files.
pub(crate) const ACCOUNTS: [&str; 4] = [PASSWD, SHADOW, GROUP, FTPUSERS];
/// Locking the account files leaves this behind.
const LOCK: &str = "etc/.pwd.lock";

/// What is new, what changed (with what it was) and what is gone, by name.
struct Difference<'a> {
    set: Vec<(Delivered<'a>, Option<Delivered<'a>>)>,
    gone: Vec<Delivered<'a>>,
}

impl<'a> Difference<'a> {
    fn of(old: &Delivery<'a>, new: &Delivery<'a>, kind: ActionKind) -> Self {
        let by_name = |delivery: &Delivery<'a>| {
            let mut map: BTreeMap<String, Vec<Delivered<'a>>> = BTreeMap::new();
            for delivered in delivery.of_kind(kind) {
                let name = delivered.action.key().unwrap_or_default().to_owned();
                map.entry(name).or_default().push(*delivered);
            }
            map
        };
        let (before, after) = (by_name(old), by_name(new));
        let mut set = Vec::new();
        for delivered in new.of_kind(kind) {
            let name = delivered.action.key().unwrap_or_default();
            let was = before.get(name).map_or(&[][..], Vec::as_slice);
            if !was.iter().any(|old| old.action == delivered.action) {
                // The `clone` driver has several actions, which only ever add.
                set.push((*delivered, was.first().copied().filter(|_| was.len() == 1)));
            }
        }
        let gone = before
            .into_iter()
            .filter(|(name, _)| !after.contains_key(name))
            .flat_map(|(_, gone)| gone)
            .collect();
        Self { set, gone }
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty()
    }
}

/// Edits the account files.
pub(crate) fn change_accounts(
    stage: &mut Stage<'_>,
    old: &Delivery<'_>,
    new: &Delivery<'_>,
) -> Result<(), Error> {
    let mut groups = Difference::of(old, new, ActionKind::Group);
    let mut users = Difference::of(old, new, ActionKind::User);
    if groups.is_empty() && users.is_empty() {
        return Ok(());
    }
    // In the order of their numbers; those without one last.
    let number = |action: &Action, key: &str| {
        action.get(key).and_then(|number| number.parse().ok()).unwrap_or(1024_u32)
    };
    groups.set.sort_by_key(|(group, _)| number(group.action, "gid"));
    users.set.sort_by_key(|(user, _)| number(user.action, "uid"));

    let mut texts = Vec::new();
    let asking = users.set.first().or(groups.set.first()).map(|(delivered, _)| *delivered);
    for path in ACCOUNTS {
        match (stage.text(path)?, asking) {
            (Some(text), _) => texts.push(text),
            (None, Some(asking)) => {
                return Err(asking.refuse(format!(
                    "{path} is missing; accounts need {PASSWD}, {SHADOW}, {GROUP} and {FTPUSERS}"
                )));
            }
            // Removing accounts from files that are gone.
            (None, None) => return Ok(()),
        }
    }
    let mut accounts = Accounts::parse(&texts[0], &texts[1], &texts[2], &texts[3]);
    for gone in &users.gone {
        accounts.remove_user(gone.action.key().unwrap_or_default());
    }
    for gone in &groups.gone {
        accounts.remove_group(gone.action.key().unwrap_or_default());
    }
    for (group, _) in &groups.set {
        let name = group.action.key().unwrap_or_default();
        accounts
            .set_group(name, group.action.get("gid"))
            .map_err(|problem| group.refuse(problem))?;
    }
    let today = stage.date.epoch().div_euclid(24 * 60 * 60);
    for (user, was) in &users.set {
        let was = was.map(|was| user_of(was.action));
        accounts
            .set_user(&user_of(user.action), was.as_ref(), today)
            .map_err(|problem| user.refuse(problem))?;
    }
    let edited = [accounts.passwd(), accounts.shadow(), accounts.group(), accounts.ftpusers()];
    for ((path, before), after) in ACCOUNTS.iter().zip(&texts).zip(&edited) {
        if before != after {
            stage.rewrite(path, after)?;
        }
    }
    if !stage.manifest.contains(&stage.path(LOCK)?) {
        stage.write(LOCK, b"", 0o755)?;
    }
    Ok(())
}

fn user_of(action: &Action) -> User {
    let mut user = User::default();
    for (key, values) in action.attributes.iter() {
        if key == "group-list" {
            user.groups = values.to_vec();
        } else if let [value] = values {
            user.attributes.insert(key.to_owned(), value.clone());
        }
    }
    user
}

/// Edits the driver tables.
pub(crate) fn change_drivers(
    stage: &mut Stage<'_>,
    old: &Delivery<'_>,
    new: &Delivery<'_>,
) -> Result<(), Error> {
    let mut drivers = Difference::of(old, new, ActionKind::Driver);
    if drivers.is_empty() {
        return Ok(());
    }
    drivers.set.sort_by(|(a, _), (b, _)| {
        let key = |delivered: &Delivered<'_>| {
            let name = delivered.action.key().unwrap_or_default().to_owned();
            (name != "clone", name)
        };
        key(a).cmp(&key(b))
    });
    let mut tables = DriverTables::default();
    for (path, table) in tables.tables_mut() {
        *table = stage.text(path)?;
    }
    let mut before = tables.clone();
    for gone in &drivers.gone {
        // What packages add to the `clone` driver goes away with the drivers themselves.
        if gone.action.key() != Some("clone") {
            tables.remove(&driver_of(gone.action));
        }
    }
    for (driver, was) in &drivers.set {
        if let Some(was) = was {
            let majors = (tables.name_to_major.clone(), tables.rem_name_to_major.clone());
            tables.remove(&driver_of(was.action));
            (tables.name_to_major, tables.rem_name_to_major) = majors;
        }
        tables.install(&driver_of(driver.action)).map_err(|problem| driver.refuse(problem))?;
    }
    for ((path, table), (_, there)) in tables.tables_mut().into_iter().zip(before.tables_mut()) {
        if let Some(text) = table
            && *there != Some(text.clone())
        {
            stage.rewrite(path, text)?;
        }
    }
    Ok(())
}

fn driver_of(action: &Action) -> Driver {
    let list = |key: &str| action.attributes.list(key).to_vec();
    Driver {
        name: action.key().unwrap_or_default().to_owned(),
        aliases: list("alias"),
        classes: list("class"),
        perms: list("perms"),
        clone_perms: list("clone_perms"),
        policies: list("policy"),
        privileges: list("privs"),
        devlinks: list("devlink"),
    }
}

/// Where SVR4 packages are noted.
const LEGACY: &str = "var/sadm/pkg";

/// Writes `var/sadm/pkg/NAME/pkginfo`, by which SVR4 programs know a package.
pub(crate) fn change_legacy(
    stage: &mut Stage<'_>,
    config: &ImageConfig,
    manifests: &BTreeMap<&str, &Manifest>,
    old: &Delivery<'_>,
    new: &Delivery<'_>,
) -> Result<(), Error> {
    let legacy = Difference::of(old, new, ActionKind::Legacy);
    for gone in &legacy.gone {
        let path = legacy_path(*gone)?;
        stage.manifest.remove(&path);
        if let Some(directory) = path.parent()
            && stage.manifest.subtree(&directory).count() == 1
        {
            stage.manifest.remove(&directory);
        }
        let all = stage.path(LEGACY)?;
        let is_packaged = new.paths.contains_key(&all) || new.implied.contains(&all);
        if !is_packaged && stage.manifest.subtree(&all).count() == 1 {
            stage.manifest.remove(&all);
        }
    }
    for (delivered, _) in &legacy.set {
        let action = delivered.action;
        let manifest = manifests.get(delivered.fmri.stem.as_str());
        let summary: String = manifest
            .and_then(|manifest| manifest.value("pkg.summary"))
            .unwrap_or_default()
            .chars()
            .take(256)
            .collect();
        let name = action.key().unwrap_or_default();
        let version = delivered.fmri.version.as_ref().map(crate::Version::long);
        let mut text = String::new();
        for (key, default) in [
            ("arch", config.variants.get(Variants::ARCH).unwrap_or_default()),
            ("basedir", "/"),
            ("category", "system"),
            ("desc", ""),
            ("hotline", ""),
            ("name", summary.as_str()),
            ("pkg", name),
            ("pkginst", name),
            ("pstamp", ""),
            ("sunw_prodvers", ""),
            ("vendor", ""),
            ("version", version.as_deref().unwrap_or_default()),
        ] {
            let value = action.get(key).unwrap_or(default);
            if !value.is_empty() {
                text.push_str(&format!("{}={value}\n", key.to_uppercase()));
            }
        }
        text.push_str(&format!("INSTDATE={}\n", legacy_date(stage.date)));
        let path = legacy_path(*delivered)?;
        stage.write(&path.to_string(), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

fn legacy_path(delivered: Delivered<'_>) -> Result<ProtoPath, Error> {
    let name = delivered.action.key().unwrap_or_default();
    if name.is_empty() || name.contains('/') {
        return Err(delivered.refuse("is not the name of a package"));
    }
    ProtoPath::new(format!("{LEGACY}/{name}/pkginfo"))
        .map_err(|error| delivered.refuse(error.to_string()))
}

/// `Jan 02 2026 03:04`, in UTC.
fn legacy_date(date: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = date.to_string();
    let month = text[4..6].parse().ok().and_then(|n: usize| MONTHS.get(n.wrapping_sub(1)));
    format!(
        "{} {} {} {}:{}",
        month.copied().unwrap_or_default(),
        &text[6..8],
        &text[..4],
        &text[9..11],
        &text[11..13]
    )
}

/// Where the text of a license is kept.
fn license_path(delivered: Delivered<'_>) -> String {
    let name = delivered.action.key().unwrap_or_default();
    format!("var/pkg/license/{}/license.{}", quote(&delivered.fmri.stem), quote(name))
}

/// Licenses that are not there yet.
pub(crate) fn missing_licenses<'a>(old: &Delivery<'_>, new: &Delivery<'a>) -> Vec<Delivered<'a>> {
    new.licenses
        .iter()
        .filter(|license| {
            !old.licenses.iter().any(|there| {
                there.fmri.stem == license.fmri.stem
                    && there.action.key() == license.action.key()
                    && there.action.payload == license.action.payload
            })
        })
        .copied()
        .collect()
}

/// Puts licenses in their place and takes those away that nothing delivers any more.
pub(crate) fn change_licenses(
    stage: &mut Stage<'_>,
    old: &Delivery<'_>,
    new: &Delivery<'_>,
    missing: &[Delivered<'_>],
    payloads: &Payloads<'_>,
) -> Result<(), Error> {
    let kept: Vec<String> = new.licenses.iter().map(|license| license_path(*license)).collect();
    for license in &old.licenses {
        let path = license_path(*license);
        if kept.contains(&path) {
            continue;
        }
        let path = stage.path(&path)?;
        stage.manifest.remove(&path);
        if let Some(directory) = path.parent()
            && stage.manifest.subtree(&directory).count() == 1
        {
            stage.manifest.remove(&directory);
        }
    }
    for license in missing {
        let (number, content) = payloads.get(*license)?;
        let path = license_path(*license);
        stage.put(&path, proto::Kind::File(content), 0o444)?;
        stage.expect(stage.path(&path)?, number);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_svr4_writes_them() {
        assert_eq!(legacy_date("20261120T153905Z".parse().unwrap()), "Nov 20 2026 15:39");
    }
}
